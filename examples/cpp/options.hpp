// The command line options of cvae-sample.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

constexpr const char* USAGE =
    "Usage: cvae-sample BUNDLE [options]\n"
    "\n"
    "Draws samples of a model, reconstructs images, or scores them. BUNDLE is a folder that cvae-export made.\n"
    "\n"
    "  -n, --count N         samples to draw; 16 if not given\n"
    "  --seed N              unsigned 64-bit number; 0 if not given\n"
    "  --first N             index of the first sample; 0 if not given\n"
    "  --label NAME          class of the images, of a model with labels; no label if not given\n"
    "  --reconstruct FILE    a PGM or PPM file to reconstruct instead of drawing; may be repeated\n"
    "  --score FILE...       PGM or PPM files whose ELBO to print instead of drawing\n"
    "  -o, --output FILE     the picture, PGM, or PPM in colour; samples.pgm or .ppm if not given\n"
    "  --latents FILE        also the latents: float32, little-endian\n"
    "  --raw FILE            also the decoder's output, in [0, 1]: float32, little-endian\n"
    "  --threads N           of ONNX Runtime; 0, the default, for one per core\n"
    "  --repeat SECONDS      draw repeatedly for this time, and print images/s\n"
    "  --help                this text\n";

struct Options {
    std::filesystem::path bundle, output, latents, raw;
    std::vector<std::filesystem::path> reconstruct, score;
    std::optional<std::string> label;
    std::size_t count = 16;
    std::uint64_t seed = 0, first = 0, repeat = 0;
    int threads = 0;
    bool help = false;
};

inline std::uint64_t whole(const std::string& option, const std::string& text, std::uint64_t least,
                           std::uint64_t most) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
        throw UsageError(option + ": expected a whole number from " + std::to_string(least) + " to " +
                         std::to_string(most) + ", found '" + text + "'");
    }
    return number;
}

inline Options parse(const std::vector<std::string>& arguments) {
    constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
    Options options;
    std::string drawing, picture;  // the last options that only apply to drawing, and to pictures
    for (std::size_t index = 0; index < arguments.size(); ++index) {
        const std::string& name = arguments[index];
        const auto value = [&]() -> const std::string& {
            if (index + 1 == arguments.size()) {
                throw UsageError(name + ": expected a value after it");
            }
            return arguments[++index];
        };
        if (name == "--help") {
            options.help = true;
            return options;
        } else if (name == "-n" || name == "--count") {
            options.count = whole(name, value(), 1, 100000);
            drawing = name;
        } else if (name == "--seed") {
            options.seed = whole(name, value(), 0, largest);
            drawing = name;
        } else if (name == "--first") {
            options.first = whole(name, value(), 0, largest);
            drawing = name;
        } else if (name == "--repeat") {
            options.repeat = whole(name, value(), 1, 3600);
            drawing = name;
        } else if (name == "--threads") {
            options.threads = static_cast<int>(whole(name, value(), 0, 1024));
        } else if (name == "--label") {
            options.label = value();
        } else if (name == "--reconstruct") {
            options.reconstruct.emplace_back(value());
            picture = name;
        } else if (name == "--score") {
            do {
                options.score.emplace_back(value());
            } while (index + 1 < arguments.size() && arguments[index + 1].rfind('-', 0) != 0);
        } else if (name == "-o" || name == "--output") {
            options.output = value();
            picture = name;
        } else if (name == "--latents") {
            options.latents = value();
            picture = name;
        } else if (name == "--raw") {
            options.raw = value();
            picture = name;
        } else if (name.rfind('-', 0) == 0) {
            throw UsageError(name + ": no such option");
        } else if (!options.bundle.empty()) {
            throw UsageError("expected one BUNDLE, found " + options.bundle.string() + " and " + name);
        } else {
            options.bundle = name;
        }
    }
    if (options.bundle.empty()) {
        throw UsageError("expected a BUNDLE, a folder that cvae-export made");
    }
    if (const std::string& unused = drawing.empty() ? picture : drawing; !options.score.empty() && !unused.empty()) {
        throw UsageError(unused + ": expected without --score, which only prints ELBOs");
    }
    if (!options.reconstruct.empty() && !drawing.empty()) {
        throw UsageError(drawing + ": expected without --reconstruct, which draws nothing");
    }
    return options;
}

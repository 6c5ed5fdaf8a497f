// cvae-sample: draw samples of a bundle's model, or reconstruct images.

#include <chrono>
#include <cmath>
#include <iostream>
#include <optional>
#include <utility>

#include "graph.hpp"
#include "options.hpp"
#include "picture.hpp"
#include "random.hpp"

namespace {

cvae::Picture image_of(const cvae::Shape& shape) {
    return {static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]), static_cast<std::size_t>(shape[2]),
            {}};
}

// Writes the picture and the other requested files.
void write(const Options& options, const cvae::Picture& picture, const std::vector<float>& latents,
           const std::vector<float>& probs) {
    const char* name = picture.channels == 1 ? "samples.pgm" : "samples.ppm";
    cvae::write_picture(options.output.empty() ? name : options.output, picture);
    if (!options.latents.empty()) {
        cvae::write_file(options.latents, "", latents.data(), latents.size() * sizeof(float));
    }
    if (!options.raw.empty()) {
        cvae::write_file(options.raw, "", probs.data(), probs.size() * sizeof(float));
    }
}

void draw(Ort::Env& env, const Options& options) {
    cvae::Graph decoder(env, options.bundle, "decoder", options.threads, options.label);
    const auto length = static_cast<std::size_t>(decoder.input_shape()[0]);
    const std::uint64_t end = cvae::stream_end(length);
    if (options.first > end || options.count > end - options.first) {
        throw std::runtime_error("first + count must be at most " + std::to_string(end) + " for latents of " +
                                 std::to_string(length) + "; found " + std::to_string(options.first) + " + " +
                                 std::to_string(options.count));
    }
    std::optional<cvae::Graph> prior;
    if (decoder.has_learned_prior()) {
        prior.emplace(env, options.bundle, "prior", options.threads, options.label);
    }
    const auto draw_latents = [&] {
        auto noise = cvae::normals(options.seed, cvae::PRIOR, options.first, options.count, length);
        return prior ? prior->run("noise", noise, options.count, "z") : std::move(noise);
    };
    const auto latents = draw_latents();
    const auto probs = decoder.run("z", latents, options.count, "probs");
    const auto columns = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(options.count))));
    write(options, cvae::grid(cvae::to_levels(probs), image_of(decoder.output_shape()), columns), latents, probs);

    if (options.repeat > 0) {
        const auto start = std::chrono::steady_clock::now();
        std::chrono::duration<double> taken{0};
        std::size_t images = 0;
        while (taken.count() < static_cast<double>(options.repeat)) {
            decoder.run("z", draw_latents(), options.count, "probs");
            images += options.count;
            taken = std::chrono::steady_clock::now() - start;
        }
        std::cerr << std::llround(static_cast<double>(images) / taken.count()) << " images/s\n";
    }
}

// Writes the originals above their reconstructions, which are decoded from the means of the posteriors.
void reconstruct(Ort::Env& env, const Options& options) {
    cvae::Graph encoder(env, options.bundle, "encoder", options.threads, options.label);
    cvae::Graph decoder(env, options.bundle, "decoder", options.threads, options.label);
    const cvae::Picture image = image_of(encoder.input_shape());
    std::vector<std::uint8_t> levels;
    for (const auto& path : options.reconstruct) {
        const cvae::Picture picture = cvae::read_picture(path);
        if (cvae::shape_of(picture) != cvae::shape_of(image)) {
            throw std::runtime_error(path.string() + ": expected height x width x channels " + cvae::shape_of(image) +
                                     ", found " + cvae::shape_of(picture) + "; resize or convert it first");
        }
        levels.insert(levels.end(), picture.pixels.begin(), picture.pixels.end());
    }
    const std::size_t count = options.reconstruct.size();
    // The encoder takes raw pixels, 0 to 255, and scales them itself.
    const auto means = encoder.run("images", levels, count, "mean");
    const auto probs = decoder.run("z", means, count, "probs");
    const auto again = cvae::to_levels(probs);
    levels.insert(levels.end(), again.begin(), again.end());
    write(options, cvae::grid(levels, image, count), means, probs);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse({argv + 1, argv + argc});
        if (options.help) {
            std::cout << USAGE;
            return 0;
        }
        Ort::Env env = cvae::quiet_env("cvae-sample");
        options.reconstruct.empty() ? draw(env, options) : reconstruct(env, options);
        return 0;
    } catch (const UsageError& error) {
        std::cerr << "cvae-sample: " << error.what() << "\n\n" << USAGE;
        return 2;
    } catch (const cvae::BundleError& error) {
        std::cerr << "cvae-sample: " << error.what() << "\n";
        return 5;
    } catch (const std::exception& error) {
        std::cerr << "cvae-sample: " << error.what() << "\n";
        return 1;
    }
}

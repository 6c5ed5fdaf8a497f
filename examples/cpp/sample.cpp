// cvae-sample: draw samples of a bundle's model, reconstruct images, or score them.

#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <optional>
#include <utility>

#include "elbo.hpp"
#include "graph.hpp"
#include "options.hpp"
#include "picture.hpp"
#include "random.hpp"

namespace {

cvae::Graph graph_of(Ort::Env& env, const Options& options, const char* role) {
    return {env, options.bundle, role, options.threads, options.label};
}

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
    cvae::Graph decoder = graph_of(env, options, "decoder");
    const auto length = static_cast<std::size_t>(decoder.input_shape()[0]);
    const std::uint64_t end = cvae::stream_end(length);
    if (options.first > end || options.count > end - options.first) {
        throw std::runtime_error("first + count must be at most " + std::to_string(end) + " for latents of " +
                                 std::to_string(length) + "; found " + std::to_string(options.first) + " + " +
                                 std::to_string(options.count));
    }
    std::optional<cvae::Graph> prior;
    if (decoder.has_learned_prior()) {
        prior = graph_of(env, options, "prior");
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

// The pixels of images of this shape.
std::vector<std::uint8_t> read_images(const std::vector<std::filesystem::path>& paths, const cvae::Picture& image) {
    std::vector<std::uint8_t> levels;
    for (const auto& path : paths) {
        const cvae::Picture picture = cvae::read_picture(path);
        if (cvae::shape_of(picture) != cvae::shape_of(image)) {
            throw std::runtime_error(path.string() + ": expected height x width x channels " + cvae::shape_of(image) +
                                     ", found " + cvae::shape_of(picture) + "; resize or convert it first");
        }
        levels.insert(levels.end(), picture.pixels.begin(), picture.pixels.end());
    }
    return levels;
}

// Writes the originals above their reconstructions, which are decoded from the means of the posteriors.
void reconstruct(Ort::Env& env, const Options& options) {
    cvae::Graph encoder = graph_of(env, options, "encoder");
    cvae::Graph decoder = graph_of(env, options, "decoder");
    const cvae::Picture image = image_of(encoder.input_shape());
    std::vector<std::uint8_t> levels = read_images(options.reconstruct, image);
    const std::size_t count = options.reconstruct.size();
    // The encoder takes raw pixels, 0 to 255, and scales them itself.
    const auto means = encoder.run("images", levels, count, "mean");
    const auto probs = decoder.run("z", means, count, "probs");
    const auto again = cvae::to_levels(probs);
    levels.insert(levels.end(), again.begin(), again.end());
    write(options, cvae::grid(levels, image, count), means, probs);
}

// The ELBOs of a Bernoulli model.
std::vector<float> bernoulli_elbos(Ort::Env& env, const Options& options, cvae::Graph& encoder,
                                   const std::vector<std::uint8_t>& levels, const std::vector<float>& noise) {
    const std::size_t count = options.score.size(), size = levels.size() / count, length = noise.size() / count;
    const auto codes = encoder.run({{"images", levels}}, count, {"mean", "logvar"});
    const auto &mean = codes[0], &logvar = codes[1];
    const auto z = cvae::reparameterize(mean, logvar, noise);
    const auto probs = graph_of(env, options, "decoder").run("z", z, count, "probs");
    std::vector<float> log_p_z;  // of a learned prior
    if (encoder.has_learned_prior()) {
        log_p_z = graph_of(env, options, "prior_density").run("z", z, count, "log_prob");
    }
    const auto threshold = encoder.threshold();
    std::vector<float> elbos;
    for (std::size_t row = 0; row < count; ++row) {
        const std::size_t pixel = row * size, first = row * length;
        const double kl = log_p_z.empty()
                              ? cvae::gaussian_kl(&mean[first], &logvar[first], length)
                              : cvae::posterior_log_density(&logvar[first], &noise[first], length) - log_p_z[row];
        const double log_p_x = cvae::bernoulli_log_likelihood(&levels[pixel], &probs[pixel], size, threshold);
        elbos.push_back(static_cast<float>(log_p_x - kl));
    }
    return elbos;
}

// Prints the ELBO of each image.
void score(Ort::Env& env, const Options& options) {
    const bool scores = std::filesystem::is_regular_file(options.bundle / "scorer.onnx");
    cvae::Graph graph = graph_of(env, options, scores ? "scorer" : "encoder");
    if (!scores && !graph.is_bernoulli()) {
        throw cvae::BundleError(options.bundle.string() + ": expected scorer.onnx, or a Bernoulli model; "
                                                          "cvae-export --with scorer makes the graph");
    }
    const auto levels = read_images(options.score, image_of(graph.input_shape()));
    const std::size_t count = options.score.size(), length = graph.length();
    const auto noise = cvae::normals(0, cvae::POSTERIOR, 0, count, length);
    const cvae::Shape one_draw{1, -1, static_cast<std::int64_t>(length)};  // of the noise of each image
    const auto elbos = scores ? graph.run({{"images", levels}, {"noise", noise, one_draw}}, count, {"elbo"})[0]
                              : bernoulli_elbos(env, options, graph, levels, noise);
    std::cout << std::fixed << std::setprecision(4);
    for (std::size_t row = 0; row < count; ++row) {
        std::cout << options.score[row].string() << ": ELBO " << elbos[row] << " nats\n";
    }
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
        const auto run = !options.score.empty() ? score : options.reconstruct.empty() ? draw : reconstruct;
        run(env, options);
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

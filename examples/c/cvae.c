// cvae: sample, encode and score with a bundle, with ONNX Runtime's C API.
#define _POSIX_C_SOURCE 200112L  // setenv
#include <errno.h>

#include "graph.h"
#include "random.h"

static float *decode(float *z, size_t count) {
    OrtSession *decoder = open_graph("decoder", true);
    float *probs = array(count * height * width * channels, sizeof *probs);
    run(decoder, 1, 1, (Tensor[]){{"z", FLOAT, z, 2, {count, length}},
                                  {"probs", FLOAT, probs, 4, {count, height, width, channels}}});
    return probs;
}

static void write_file(const char *name, const char *suffix, const char *head, const void *data, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s", name, suffix);
    FILE *file = fopen(path, "wb");
    if (!file || fputs(head, file) < 0 || fwrite(data, 1, size, file) != size || fclose(file))
        die(1, "%s: cannot be written", path);
}

// Writes latents to NAME.z and probs to NAME.probs, float32, and the images below each other to NAME.pgm or NAME.ppm.
static void write_all(const char *name, const float *z, const float *probs, size_t count) {
    const size_t size = count * height * width * channels;
    uint8_t *levels = array(size, 1);
    for (size_t i = 0; i < size; ++i) levels[i] = (uint8_t)lrintf(255 * probs[i]);  // rounds halves to even
    char head[64];
    snprintf(head, sizeof head, "P%c\n%zu %zu\n255\n", channels == 1 ? '5' : '6', width, count * height);
    write_file(name, ".z", "", z, count * length * sizeof *z);
    write_file(name, ".probs", "", probs, size * sizeof *probs);
    write_file(name, channels == 1 ? ".pgm" : ".ppm", head, levels, size);
}

static void read_image(const char *path, uint8_t *pixels) {
    const size_t size = height * width * channels;
    const char expected = channels == 1 ? '5' : '6';
    char kind = 0;
    size_t columns = 0, rows = 0, most = 0;
    FILE *file = fopen(path, "rb");
    if (!file) die(1, "%s: cannot be opened for reading", path);
    if (fscanf(file, "P%c %zu %zu %zu", &kind, &columns, &rows, &most) != 4 || kind != expected || columns != width ||
        rows != height || most != 255 || getc(file) == EOF || fread(pixels, 1, size, file) != size)
        die(1, "%s: expected P%c without comments, width %zu, height %zu, levels 0 to 255; convert it first", path,
            expected, width, height);
    fclose(file);
}

static uint64_t whole(const char *text, uint64_t least, uint64_t most) {
    char *end;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < least || number > most)
        die(2, "expected a whole number from %ju to %ju, found '%s'", (uintmax_t)least, (uintmax_t)most, text);
    return number;
}

static void sample(char **arguments) {  // SEED FIRST COUNT NAME
    OrtSession *decoder = open_graph("decoder", true);
    const uint64_t seed = whole(arguments[0], 0, UINT64_MAX), count = whole(arguments[2], 1, 100000);
    const uint64_t first = whole(arguments[1], 0, POSTERIOR / ((length + 1) / 2) - count);  // where the stream ends
    float *noise = array(count * length, sizeof *noise), *z = noise;
    normals(seed, SAMPLES, first, count, length, noise);
    if (has_learned_prior(decoder)) {  // it maps noise to latents
        z = array(count * length, sizeof *z);
        run(open_graph("prior", true), 1, 1, (Tensor[]){{"noise", FLOAT, noise, 2, {count, length}},
                                                        {"z", FLOAT, z, 2, {count, length}}});
    }
    write_all(arguments[3], z, decode(z, count), count);
}

// Writes the posterior's logvar to NAME.logvar, and its mean and the reconstruction from it as samples are written.
static void encode(char **arguments) {  // IMAGE NAME
    OrtSession *encoder = open_graph("encoder", true);
    uint8_t *pixels = array(height * width * channels, 1);
    float *mean = array(length, sizeof *mean), *logvar = array(length, sizeof *logvar);
    read_image(arguments[0], pixels);
    run(encoder, 1, 2, (Tensor[]){{"images", UINT8, pixels, 4, {1, height, width, channels}},
                                  {"mean", FLOAT, mean, 2, {1, length}}, {"logvar", FLOAT, logvar, 2, {1, length}}});
    write_file(arguments[1], ".logvar", "", logvar, length * sizeof *logvar);
    write_all(arguments[1], mean, decode(mean, 1), 1);
}

// Computes the ELBO of a Bernoulli model, with one draw of z.
static void bernoulli_elbo(OrtSession *encoder, uint8_t *pixels, const float *noise, size_t count, float *elbo) {
    const size_t size = height * width, codes = count * length;
    const bool learned = has_learned_prior(encoder);
    float *log_p_z = array(count, sizeof *log_p_z);  // of a learned prior
    float *mean = array(codes, sizeof *mean), *logvar = array(codes, sizeof *logvar), *z = array(codes, sizeof *z);
    run(encoder, 1, 2, (Tensor[]){{"images", UINT8, pixels, 4, {count, height, width, 1}},
                                  {"mean", FLOAT, mean, 2, {count, length}},
                                  {"logvar", FLOAT, logvar, 2, {count, length}}});
    for (size_t j = 0; j < codes; ++j) z[j] = mean[j] + expf(logvar[j] / 2) * noise[j];
    const float *probs = decode(z, count);
    if (learned) run(open_graph("prior_density", true), 1, 1, (Tensor[]){{"z", FLOAT, z, 2, {count, length}},
                                                                         {"log_prob", FLOAT, log_p_z, 1, {count}}});
    const char *at = strstr(metadata(encoder, "cvae.preprocessing"), "\"binarize_at\": ");
    const double log_2_pi = 1.83787706640934548356;
    int threshold = 0;
    if (at) sscanf(at, "\"binarize_at\": %d", &threshold);  // null: grey levels are the targets
    for (size_t i = 0; i < count; ++i) {
        double sum = log_p_z[i];
        for (size_t j = i * size; j < (i + 1) * size; ++j) {  // log p(x|z)
            const double p = fmin(fmax(probs[j], 1e-7), 1 - 1e-7);
            const double x = threshold ? pixels[j] >= threshold : pixels[j] / 255.0;
            sum += x * log(p) + (1 - x) * log1p(-p);
        }
        for (size_t j = i * length; j < (i + 1) * length; ++j)  // -log q(z|x), or -KL(q(z|x) || N(0, I))
            sum += learned ? (log_2_pi + logvar[j] + (double)noise[j] * noise[j]) / 2
                           : (1 + logvar[j] - (double)mean[j] * mean[j] - exp(logvar[j])) / 2;
        elbo[i] = (float)sum;
    }
}

static void score(char **paths, size_t count) {
    OrtSession *scorer = open_graph("scorer", false), *graph = scorer ? scorer : open_graph("encoder", true);
    if (!scorer && strcmp(metadata(graph, "cvae.likelihood"), "\"bernoulli\""))
        die(5, "%s: expected scorer.onnx, or a Bernoulli model; cvae-export --with scorer makes the graph", bundle);
    const size_t size = height * width * channels;
    uint8_t *pixels = array(count * size, 1);
    float *noise = array(count * length, sizeof *noise), *elbo = array(count, sizeof *elbo);
    for (size_t i = 0; i < count; ++i) read_image(paths[i], pixels + i * size);
    normals(0, POSTERIOR, 0, count, length, noise);
    if (scorer) run(scorer, 2, 1, (Tensor[]){{"images", UINT8, pixels, 4, {count, height, width, channels}},
                                             {"noise", FLOAT, noise, 3, {1, count, length}},
                                             {"elbo", FLOAT, elbo, 1, {count}}});
    else bernoulli_elbo(graph, pixels, noise, count, elbo);
    for (size_t i = 0; i < count; ++i) printf("%s: ELBO %.4f nats\n", paths[i], elbo[i]);
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[argc - 2], "--label")) label = argv[argc - 1], argc -= 2;
    const char *command = argc > 3 ? argv[1] : "";
    const bool samples = !strcmp(command, "sample") && argc == 7, encodes = !strcmp(command, "encode") && argc == 5;
    if (!samples && !encodes && strcmp(command, "score"))
        die(2, "expected sample BUNDLE SEED FIRST COUNT NAME, encode BUNDLE IMAGE NAME, or score BUNDLE IMAGE...; then "
               "--label LABEL for a class");
    bundle = argv[2];
    start_runtime();
    if (samples) sample(argv + 3);
    else if (encodes) encode(argv + 3);
    else score(argv + 3, (size_t)argc - 3);
    return 0;
}

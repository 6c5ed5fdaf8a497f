// The random numbers of bundles, threefry2x32-20/box-muller; docs/formats.md specifies them.
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLES UINT64_C(0)
#define POSTERIOR (UINT64_C(1) << 63)

static void threefry2x32(uint32_t words[2], const uint32_t key[2]) {
    static const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t keys[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA};
    uint32_t a = words[0] + keys[0], b = words[1] + keys[1];
    for (uint32_t group = 0; group < 5; ++group) {
        for (int i = 0; i < 4; ++i) {
            const int bits = rotations[group % 2][i];
            a += b;
            b = (b << bits | b >> (32 - bits)) ^ a;
        }
        a += keys[(group + 1) % 3];
        b += keys[(group + 2) % 3] + group + 1;
    }
    words[0] = a;
    words[1] = b;
}

// Writes latents first ... first + count - 1 of a stream, [count, length].
static void normals(uint64_t seed, uint64_t stream, uint64_t first, size_t count, size_t length, float *values) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const double turn = 6.28318530717958647692;
    const size_t pairs = (length + 1) / 2;  // of a latent; each uses one counter
    for (size_t i = 0; i < count * pairs; ++i) {
        const uint64_t counter = stream + first * pairs + i;
        uint32_t words[2] = {(uint32_t)counter, (uint32_t)(counter >> 32)};
        threefry2x32(words, key);
        const double radius = sqrt(-2 * log((words[0] + 0.5) / 4294967296.0));
        const double angle = turn * ((words[1] + 0.5) / 4294967296.0);
        const size_t column = 2 * (i % pairs);
        float *latent = values + i / pairs * length;
        latent[column] = (float)(radius * cos(angle));
        if (column + 1 < length) latent[column + 1] = (float)(radius * sin(angle));
    }
}

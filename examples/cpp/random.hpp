// The random numbers of a bundle, "threefry2x32-20/box-muller": the same seed gives the same latents in every language.
// Threefry-2x32 with 20 rounds: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace cvae {

using Words = std::array<std::uint32_t, 2>;  // the low and the high word of a 64-bit number

// The first counters of the two streams.
constexpr std::uint64_t PRIOR = 0;
constexpr std::uint64_t POSTERIOR = std::uint64_t{1} << 63;

inline Words words(std::uint64_t number) {
    return {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32)};
}

inline Words threefry2x32(Words counter, Words key) {
    constexpr unsigned rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const std::uint32_t keys[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDAu};
    std::uint32_t a = counter[0] + keys[0];
    std::uint32_t b = counter[1] + keys[1];
    for (std::uint32_t group = 0; group < 5; ++group) {
        for (const unsigned bits : rotations[group % 2]) {
            a += b;
            b = (b << bits | b >> (32 - bits)) ^ a;
        }
        a += keys[(group + 1) % 3];
        b += keys[(group + 2) % 3] + group + 1;
    }
    return {a, b};
}

// A latent uses one counter for each pair of its numbers.
inline std::uint64_t pairs(std::size_t length) { return (length + 1) / 2; }

// The number of latents of a length in a stream.
inline std::uint64_t stream_end(std::size_t length) { return POSTERIOR / pairs(length); }

// Latents first … first + count - 1 of a stream; first + count is at most stream_end(length).
inline std::vector<float> normals(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::size_t count,
                                  std::size_t length) {
    constexpr double two_pi = 2 * 3.14159265358979323846;
    constexpr double two_to_32 = 4294967296.0;
    std::vector<float> values(count * length);
    for (std::size_t row = 0; row < count; ++row) {
        for (std::uint64_t pair = 0; pair < pairs(length); ++pair) {
            const auto [a, b] = threefry2x32(words(stream + (first + row) * pairs(length) + pair), words(seed));
            const double radius = std::sqrt(-2 * std::log((a + 0.5) / two_to_32));
            const double angle = two_pi * ((b + 0.5) / two_to_32);
            const std::size_t column = 2 * pair;
            values[row * length + column] = static_cast<float>(radius * std::cos(angle));
            if (column + 1 < length) {  // the last number of an odd length is dropped
                values[row * length + column + 1] = static_cast<float>(radius * std::sin(angle));
            }
        }
    }
    return values;
}

}  // namespace cvae

// The terms of an ELBO, in nats: log p(x|z) - log q(z|x) + log p(z) of one draw z. With the prior N(0, I), the last two
// become -KL(q(z|x) || N(0, I)). Sums need double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cvae {

// Draws z from q(z|x): mean + exp(logvar / 2) noise.
inline std::vector<float> reparameterize(const std::vector<float>& mean, const std::vector<float>& logvar,
                                         const std::vector<float>& noise) {
    std::vector<float> z(noise.size());
    for (std::size_t index = 0; index < z.size(); ++index) {
        z[index] = mean[index] + std::exp(logvar[index] / 2) * noise[index];
    }
    return z;
}

// log p(x|z) of `size` Bernoulli pixels. Pixels of at least the threshold are 1. Without one, grey levels are the
// targets.
inline double bernoulli_log_likelihood(const std::uint8_t* pixels, const float* probs, std::size_t size,
                                       const std::optional<int>& threshold) {
    double sum = 0;
    for (std::size_t index = 0; index < size; ++index) {
        const double p = std::clamp<double>(probs[index], 1e-7, 1 - 1e-7);
        const double x = threshold ? pixels[index] >= *threshold : pixels[index] / 255.0;
        sum += x * std::log(p) + (1 - x) * std::log1p(-p);
    }
    return sum;
}

// KL(q(z|x) || N(0, I)) of `length` dimensions.
inline double gaussian_kl(const float* mean, const float* logvar, std::size_t length) {
    double sum = 0;
    for (std::size_t index = 0; index < length; ++index) {
        const double m = mean[index], v = logvar[index];
        sum += (std::exp(v) + m * m - 1 - v) / 2;
    }
    return sum;
}

// log q(z|x) of the z that `reparameterize` draws with this noise.
inline double posterior_log_density(const float* logvar, const float* noise, std::size_t length) {
    constexpr double log_2_pi = 1.83787706640934548356;
    double sum = 0;
    for (std::size_t index = 0; index < length; ++index) {
        const double v = logvar[index], e = noise[index];
        sum -= (log_2_pi + v + e * e) / 2;
    }
    return sum;
}

}  // namespace cvae

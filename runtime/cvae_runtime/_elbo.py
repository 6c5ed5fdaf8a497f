"""The evidence lower bound and its parts, in nats per image, computed in float64 from a model's outputs.

ELBO = log p(x|z) - KL(q(z|x) || p(z)) with one draw z = mean + exp(logvar / 2) * noise (Kingma and Welling,
"Auto-encoding variational Bayes", 2014). Every figure of this project that is called an ELBO comes from here or from
the same formula.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PROBABILITY_FLOOR = 1e-7
EVALUATION_SEED = 0  # of the noise of every reported ELBO, so that two of them differ by their models alone

Float64s = NDArray[np.float64]
Float32s = NDArray[np.float32]

_IMAGES_AT_A_TIME = 256  # bounds the memory of float64


def log_likelihood(targets: Float32s, outputs: Mapping[str, Float32s], likelihood: str) -> Float64s:
    """log p(x|z), summed over each image.

    Args:
        targets: (N, H, W, C), see `targets_of`.
        outputs: of the decoder, "probs" and what else the likelihood takes, float32 (N, H, W, C) each.
        likelihood: "bernoulli" or "discretized-logistic".

    Returns:
        float64 (N,), in nats.
    """
    sums = np.empty(len(targets))
    for start in range(0, len(targets), _IMAGES_AT_A_TIME):
        part = slice(start, start + _IMAGES_AT_A_TIME)
        x, probs = targets[part], outputs["probs"][part]
        if likelihood == "bernoulli":
            sums[part] = bernoulli_log_likelihood(x, probs)
        else:
            sums[part] = discretized_logistic_log_likelihood(x, probs, outputs["log_scale"][part])
    return sums


def bernoulli_log_likelihood(targets: NDArray[np.float32], probs: Float32s) -> Float64s:
    """log p(x|z) of independent Bernoulli pixels, summed over each image.

    Args:
        targets: (N, H, W, C), 0 or 1, or grey values between (then it is a cross-entropy bound, not a likelihood).
        probs: float32 (N, H, W, C), clipped to [1e-7, 1 - 1e-7].

    Returns:
        float64 (N,), in nats.
    """
    p = np.clip(probs.astype(np.float64), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    x = targets.astype(np.float64)
    terms: Float64s = x * np.log(p) + (1.0 - x) * np.log1p(-p)
    sums: Float64s = terms.reshape(len(terms), -1).sum(axis=1)
    return sums


def discretized_logistic_log_likelihood(targets: NDArray[np.float32], probs: Float32s, log_scale: Float32s) -> Float64s:
    """log p(x|z) of independent pixels of 256 levels, summed over each image and its channels.

    A level v is the interval of half a level around x = v/255 under a logistic distribution with location m and scale
    s: sigmoid(b) - sigmoid(a) with a = (x - 1/510 - m) / s and b = (x + 1/510 - m) / s. Levels 0 and 255 take the
    tails beyond them, so that the 256 sum to 1. (Kingma et al., "Improved variational inference with inverse
    autoregressive flow", 2016; Salimans et al., "PixelCNN++", 2017.) Its logarithm is exactly
    -softplus(-b) - softplus(a) + log(1 - exp(a - b)), in which nothing cancels.

    Args:
        targets: (N, H, W, C), v/255.
        probs: float32 (N, H, W, C), m.
        log_scale: float32 (N, H, W, C), log s.

    Returns:
        float64 (N,), in nats.
    """
    x = np.rint(255 * targets.astype(np.float64)) / 255  # as float32 rounded it, levels would overlap or leave gaps
    s = np.exp(log_scale.astype(np.float64))
    a, b = (x - 1 / 510 - probs) / s, (x + 1 / 510 - probs) / s
    above_a = np.where(x == 0.0, 0.0, -np.logaddexp(0.0, a))
    below_b = np.where(x == 1.0, 0.0, -np.logaddexp(0.0, -b))
    between = np.where((x == 0.0) | (x == 1.0), 0.0, np.log(-np.expm1(-1 / (255 * s))))
    sums: Float64s = (above_a + below_b + between).reshape(len(x), -1).sum(axis=1)
    return sums


def gaussian_kl_per_dimension(mean: Float32s, logvar: Float32s) -> Float64s:
    """The summands of `gaussian_kl`: float64 (N, L), in nats."""
    m, v = mean.astype(np.float64), logvar.astype(np.float64)
    terms: Float64s = np.exp(v) + m * m - 1.0 - v
    return 0.5 * terms


def gaussian_kl(mean: Float32s, logvar: Float32s) -> Float64s:
    """KL(N(mean, exp(logvar)) || N(0, I)) = sum (exp(logvar) + mean^2 - 1 - logvar) / 2.

    Args:
        mean, logvar: float32 (N, L).

    Returns:
        float64 (N,), in nats.
    """
    sums: Float64s = gaussian_kl_per_dimension(mean, logvar).sum(axis=1)
    return sums


def gaussian_log_density(z: Float32s, mean: Float32s, logvar: Float32s) -> Float64s:
    """log N(z; mean, exp(logvar)) of (N, L), summed over each latent: float64 (N,), in nats."""
    v = logvar.astype(np.float64)
    terms: Float64s = math.log(2.0 * math.pi) + v + (z.astype(np.float64) - mean) ** 2 * np.exp(-v)
    sums: Float64s = terms.sum(axis=-1)
    return -0.5 * sums


def reparameterize(mean: Float32s, logvar: Float32s, noise: Float32s) -> Float32s:
    """z = mean + exp(logvar / 2) * noise, float32 (N, L)."""
    z: Float32s = mean + np.exp(logvar * np.float32(0.5)) * noise
    return z


def targets_of(images: NDArray[np.uint8], binarize_at: int | None, scale: int = 255) -> Float32s:
    """What the likelihood is asked about: pixels >= ``binarize_at`` as 0 or 1, or pixels / ``scale``; same shape."""
    if binarize_at is not None:
        return (images >= binarize_at).astype(np.float32)
    return images.astype(np.float32) / np.float32(scale)

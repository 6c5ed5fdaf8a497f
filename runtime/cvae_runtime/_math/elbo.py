"""The evidence lower bound (ELBO) and its parts, in nats per image, computed in float64 from a model's outputs.

ELBO = log p(x|z) - KL(q(z|x) || p(z)) with one draw z = mean + exp(logvar / 2) * noise (Kingma and Welling,
"Auto-encoding variational Bayes", 2014). Every ELBO that this project reports uses this formula.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError

PROBABILITY_FLOOR = 1e-7
"""The smallest distance of a probability from 0 and 1 in a Bernoulli log-likelihood.

Examples:
    >>> black, white = np.zeros((1, 1, 1, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    >>> np.exp(elbo.bernoulli_log_likelihood(white, probs=black)).round(9).tolist()
    [1e-07]
"""
EVALUATION_SEED = 0
"""The seed of the noise of every reported ELBO, so that ELBOs differ only because of the models.

Examples:
    >>> cvae.posterior_noise(elbo.EVALUATION_SEED, first=0, count=1, latent_dim=40).shape
    (1, 40)
"""

Float64s = NDArray[np.float64]
Float32s = NDArray[np.float32]

_OF_LEVELS = ("discretized-logistic", "discretized-logistic-mixture")
_Elbo = TypeVar("_Elbo", float, Float64s)

_IMAGES_AT_A_TIME = 64  # bounds the memory of float64 arrays


def bits_per_dimension(elbo: _Elbo, likelihood: str, image_shape: Sequence[int]) -> _Elbo | None:
    """Convert ELBOs to bits per pixel and channel, with the sign reversed: -ELBO / (H W C ln 2).

    Args:
        elbo: in nats per image.
        likelihood: the model's likelihood p(x|z), by name.
        image_shape: (H, W, C).

    Returns:
        Of the type of ``elbo``; None unless the likelihood is one of 256 levels.
    """
    return -elbo / (math.prod(image_shape) * math.log(2.0)) if likelihood in _OF_LEVELS else None


def log_likelihood(targets: Float32s, outputs: Mapping[str, Float32s], likelihood: str) -> Float64s:
    """Compute log p(x|z) of each image, for a likelihood by name.

    Args:
        targets: float32 (N, H, W, C), from `targets_of`.
        outputs: the decoder's outputs by name, float32 (N, H, W, C) each; a mixture's parameters are (N, H, W, C, K).
        likelihood: "bernoulli", "discretized-logistic" or "discretized-logistic-mixture".

    Returns:
        float64 (N,), in nats.

    Raises:
        InputError: an unknown likelihood.

    Examples:
        >>> targets = np.ones((1, 2, 2, 1), np.float32)
        >>> elbo.log_likelihood(targets, {"probs": targets / 2}, "bernoulli").round(3).tolist()  # 4 log 0.5
        [-2.773]
    """
    sums = np.empty(len(targets))
    for start in range(0, len(targets), _IMAGES_AT_A_TIME):
        part = slice(start, start + _IMAGES_AT_A_TIME)
        sums[part] = _sum(value_log_likelihood(targets[part], _of(outputs, part), likelihood))
    return sums


def value_log_likelihood(targets: Float32s, outputs: Mapping[str, Float32s], likelihood: str) -> Float64s:
    """Compute log p(x|z) of each pixel and channel, whose sum over an image is `log_likelihood`.

    Args:
        targets, outputs, likelihood: as for `log_likelihood`.

    Returns:
        float64 (N, H, W, C), in nats.

    Raises:
        InputError: an unknown likelihood.

    Examples:
        >>> targets = np.ones((1, 2, 2, 1), np.float32)
        >>> elbo.value_log_likelihood(targets, {"probs": targets / 2}, "bernoulli").round(3)[0, :, :, 0].tolist()
        [[-0.693, -0.693], [-0.693, -0.693]]
    """
    if likelihood not in _TERMS:
        raise InputError(f"likelihood must be one of {', '.join(_TERMS)}; found {likelihood!r}")
    terms, names = _TERMS[likelihood]
    return terms(targets, *(outputs[name] for name in names))


def _of(outputs: Mapping[str, Float32s], part: slice) -> dict[str, Float32s]:
    return {name: array[part] for name, array in outputs.items()}


def _sum(terms: Float64s) -> Float64s:
    """Sum the terms of each image."""
    sums: Float64s = terms.reshape(len(terms), -1).sum(axis=1)
    return sums


def bernoulli_log_likelihood(targets: NDArray[np.float32], probs: Float32s) -> Float64s:
    """Compute log p(x|z) of independent Bernoulli pixels, summed over each image.

    Args:
        targets: float32 (N, H, W, C), 0 or 1. For grey values in [0, 1] the result is a negative cross-entropy, not a
            log-likelihood.
        probs: float32 (N, H, W, C), probabilities of 1. Values are clipped to [1e-7, 1 - 1e-7].

    Returns:
        float64 (N,), in nats.

    Examples:
        >>> targets = np.ones((1, 2, 2, 1), np.float32)
        >>> elbo.bernoulli_log_likelihood(targets, probs=targets / 2).round(3).tolist()  # 4 log 0.5
        [-2.773]
    """
    return _sum(_bernoulli_terms(targets, probs))


def _bernoulli_terms(targets: NDArray[np.float32], probs: Float32s) -> Float64s:
    p = np.clip(probs.astype(np.float64), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    x = targets.astype(np.float64)
    terms: Float64s = x * np.log(p) + (1.0 - x) * np.log1p(-p)
    return terms


def target_entropy(targets: Float32s) -> Float64s:
    """Compute the entropy of each pixel and channel as a probability: how far below 0 the largest log p(x|z) is.

    The Bernoulli log-likelihood of a grey level is a negative cross-entropy, and no prediction exceeds minus the
    entropy of the level. Their sum is minus the KL divergence from the level to the prediction. The entropy of black
    and of white is 0.

    Args:
        targets: as for `log_likelihood`.

    Returns:
        float64 (N, H, W, C), in nats, 0 to log 2.

    Examples:
        >>> targets = np.array([0.0, 0.5, 1.0], np.float32).reshape(3, 1, 1, 1)
        >>> elbo.target_entropy(targets).ravel().round(3).tolist()
        [0.0, 0.693, 0.0]
    """
    x = targets.astype(np.float64)
    return -_times_log(x) - _times_log(1.0 - x)


def _times_log(x: Float64s) -> Float64s:
    """Return x log x, with 0 log 0 = 0."""
    product: Float64s = x * np.log(np.maximum(x, np.finfo(np.float64).tiny))
    return product


def discretized_logistic_log_likelihood(targets: NDArray[np.float32], probs: Float32s, log_scale: Float32s) -> Float64s:
    """Compute log p(x|z) of independent pixels of 256 grey levels, summed over each image and its channels.

    The probability of level v is that of the interval x - 1/510 to x + 1/510 around x = v/255, under a logistic
    distribution with location m and scale s: sigmoid(b) - sigmoid(a) with a = (x - 1/510 - m) / s and
    b = (x + 1/510 - m) / s. Levels 0 and 255 include the tails, so that the 256 probabilities sum to 1. (Kingma et
    al., "Improved variational inference with inverse autoregressive flow", 2016; Salimans et al., "PixelCNN++", 2017.)
    The logarithm is exactly -softplus(-b) - softplus(a) + log(1 - exp(a - b)), which has no cancellation.

    Args:
        targets: float32 (N, H, W, C), x.
        probs: float32 (N, H, W, C), m.
        log_scale: float32 (N, H, W, C), log s.

    Returns:
        float64 (N,), in nats.

    Examples:
        >>> levels = np.arange(256, dtype=np.float32).reshape(256, 1, 1, 1) / 255  # images of one pixel
        >>> zeros = np.zeros_like(levels)
        >>> log_p = elbo.discretized_logistic_log_likelihood(levels, zeros + 0.5, zeros - 2)
        >>> float(np.exp(log_p).sum().round(6))  # the sum of the probabilities of all levels
        1.0
    """
    return _sum(_log_levels(targets, probs, log_scale))


def discretized_logistic_mixture_log_likelihood(
    targets: NDArray[np.float32], location: Float32s, log_scale: Float32s, mixture_logits: Float32s
) -> Float64s:
    """Compute log p(x|z) of independent pixels and channels, each a mixture of K discretized logistic distributions.

    log sum_k exp(l_k + log p_k) - log sum_k exp(l_k), with the log p_k of `discretized_logistic_log_likelihood`.
    (Salimans et al., "PixelCNN++", 2017.)

    Args:
        targets: float32 (N, H, W, C), grey levels / 255.
        location: float32 (N, H, W, C, K), m; any finite values.
        log_scale: float32 (N, H, W, C, K), log s.
        mixture_logits: float32 (N, H, W, C, K), l.

    Returns:
        float64 (N,), in nats, summed over each image and its channels.

    Examples:
        >>> levels = np.arange(256, dtype=np.float32).reshape(256, 1, 1, 1) / 255  # images of one pixel
        >>> zeros = np.zeros((256, 1, 1, 1, 3), np.float32)  # K = 3
        >>> log_p = elbo.discretized_logistic_mixture_log_likelihood(levels, zeros + 0.5, zeros - 2, zeros)
        >>> float(np.exp(log_p).sum().round(6))  # the sum of the probabilities of all levels
        1.0
    """
    return _sum(_mixture_terms(targets, location, log_scale, mixture_logits))


def _mixture_terms(
    targets: NDArray[np.float32], location: Float32s, log_scale: Float32s, mixture_logits: Float32s
) -> Float64s:
    logits = mixture_logits.astype(np.float64)
    log_p = _log_levels(targets[..., np.newaxis], location, log_scale)
    return _log_sum_exp(logits + log_p) - _log_sum_exp(logits)


def _log_levels(targets: NDArray[np.float32], location: Float32s, log_scale: Float32s) -> Float64s:
    """Compute the log-probability of each grey level under a logistic distribution; the arguments broadcast."""
    x = np.rint(255 * targets.astype(np.float64)) / 255  # rounded to float32, levels overlap or leave gaps
    s = np.exp(log_scale.astype(np.float64))
    a, b = (x - 1 / 510 - location) / s, (x + 1 / 510 - location) / s
    above_a = np.where(x == 0.0, 0.0, -np.logaddexp(0.0, a))
    below_b = np.where(x == 1.0, 0.0, -np.logaddexp(0.0, -b))
    between = np.where((x == 0.0) | (x == 1.0), 0.0, np.log(-np.expm1(-1 / (255 * s))))
    terms: Float64s = above_a + below_b + between
    return terms


def _log_sum_exp(values: Float64s) -> Float64s:
    """Compute log(sum(exp(values))) over the last axis."""
    largest = values.max(axis=-1, keepdims=True)
    sums: Float64s = largest[..., 0] + np.log(np.exp(values - largest).sum(axis=-1))
    return sums


# Functions of the terms of each pixel and channel, float64 (N, H, W, C), and the outputs that they take.
_TERMS: Mapping[str, tuple[Callable[..., Float64s], tuple[str, ...]]] = {
    "bernoulli": (_bernoulli_terms, ("probs",)),
    "discretized-logistic": (_log_levels, ("probs", "log_scale")),
    "discretized-logistic-mixture": (_mixture_terms, ("location", "log_scale", "mixture_logits")),
}


def gaussian_kl_per_dimension(mean: Float32s, logvar: Float32s) -> Float64s:
    """Compute the terms of `gaussian_kl`.

    Args:
        mean, logvar: float32 (N, L).

    Returns:
        float64 (N, L), in nats.

    Examples:
        >>> elbo.gaussian_kl_per_dimension(np.float32([[1, 2]]), np.float32([[0, 0]])).tolist()
        [[0.5, 2.0]]
    """
    m, v = mean.astype(np.float64), logvar.astype(np.float64)
    terms: Float64s = np.exp(v) + m * m - 1.0 - v
    return 0.5 * terms


def gaussian_kl(mean: Float32s, logvar: Float32s) -> Float64s:
    """Compute KL(N(mean, exp(logvar)) || N(0, I)) = sum (exp(logvar) + mean^2 - 1 - logvar) / 2.

    Args:
        mean, logvar: float32 (N, L).

    Returns:
        float64 (N,), in nats.

    Examples:
        >>> elbo.gaussian_kl(np.float32([[1, 2]]), np.float32([[0, 0]])).tolist()
        [2.5]
    """
    sums: Float64s = gaussian_kl_per_dimension(mean, logvar).sum(axis=1)
    return sums


def gaussian_log_density(z: Float32s, mean: Float32s, logvar: Float32s) -> Float64s:
    """Compute log N(z; mean, exp(logvar)), summed over L.

    Args:
        z, mean, logvar: float32 (N, L), or mean and logvar (L,).

    Returns:
        float64 (N,), in nats.

    Examples:
        >>> zero = np.zeros((1, 2), np.float32)
        >>> elbo.gaussian_log_density(zero, zero, zero).round(3).tolist()  # -log(2 pi)
        [-1.838]
    """
    v = logvar.astype(np.float64)
    terms: Float64s = math.log(2.0 * math.pi) + v + (z.astype(np.float64) - mean) ** 2 * np.exp(-v)
    sums: Float64s = terms.sum(axis=-1)
    return -0.5 * sums


def reparameterize(mean: Float32s, logvar: Float32s, noise: Float32s) -> Float32s:
    """Compute z = mean + exp(logvar / 2) * noise.

    Args:
        mean, logvar, noise: float32 (N, L).

    Returns:
        float32 (N, L).

    Examples:
        >>> elbo.reparameterize(np.float32([[1, 2]]), np.float32([[0, 0]]), np.float32([[0.5, -1]])).tolist()
        [[1.5, 1.0]]
    """
    z: Float32s = mean + np.exp(logvar * np.float32(0.5)) * noise
    return z


def targets_of(images: NDArray[np.uint8], binarize_at: int | None, scale: int = 255) -> Float32s:
    """Convert raw pixels to the targets of the likelihood.

    Args:
        images: uint8, any shape.
        binarize_at: smallest pixel value that becomes 1; None divides the pixels by ``scale`` instead.
        scale: the divisor.

    Returns:
        float32, same shape.

    Examples:
        >>> elbo.targets_of(np.uint8([0, 127, 128, 255]), binarize_at=128).tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    if binarize_at is not None:
        return (images >= binarize_at).astype(np.float32)
    return images.astype(np.float32) / np.float32(scale)

"""The terms of a detector's scores and maps, with the same draws for every image."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import Preprocessing
from .._math import (
    EVALUATION_SEED,
    gaussian_kl,
    gaussian_log_density,
    posterior_noise,
    reparameterize,
    target_entropy,
    targets_of,
    value_log_likelihood,
)
from .scores import Posterior

_DECODED_AT_A_TIME = 256  # latents; bounds the memory


@dataclasses.dataclass(frozen=True)
class DetectorTerms:
    """The terms of N images from which a detector computes scores and maps, in nats.

    Unlike those of `Scores`, they include the entropy of grey levels, see `target_entropy`. Otherwise the ELBO of an
    image would depend on how many of its pixels are grey, which no model can change.

    Attributes:
        reconstruction: log p(x|z) plus the entropy of the targets, averaged over the draws, float64 (N,).
        kl: as in `Scores`, float64 (N,).
        error: KL(x || probs) of all values as Bernoulli probabilities, averaged over the draws, float64 (N,). Under
            the Bernoulli likelihood it is -reconstruction.
        pixels: the terms of ``reconstruction`` of each pixel, summed over channels, float64 (N, H, W).
        pixel_errors: the terms of ``error`` of each pixel, summed over channels, float64 (N, H, W).

    Examples:
        >>> pixels = np.full((1, 2, 2), -20.0)
        >>> terms = elbo.DetectorTerms(np.array([-80.0]), np.array([20.0]), np.array([80.0]), pixels, -pixels)
        >>> terms.elbo.tolist()
        [-100.0]
    """

    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    error: NDArray[np.float64]
    pixels: NDArray[np.float64]
    pixel_errors: NDArray[np.float64]

    @property
    def elbo(self) -> NDArray[np.float64]:
        """Return reconstruction - kl, float64 (N,)."""
        elbo: NDArray[np.float64] = self.reconstruction - self.kl
        return elbo


def detector_terms(
    images: NDArray[np.uint8],
    posterior: Posterior,
    decode: Callable[..., Mapping[str, NDArray[np.float32]]],
    *,
    likelihood: str,
    preprocessing: Preprocessing,
    draws: int,
    log_prior: Callable[..., NDArray[Any]] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> DetectorTerms:
    """Compute the terms of a detector with any decoder. The caller has checked the arguments.

    Unlike `score_images`, all images have the same noise: posterior noise 0 .. draws - 1 of seed 0.

    Args:
        images, posterior, decode, likelihood, preprocessing, log_prior, labels: as for `score_images`.
        draws: k, the number of draws per image.

    Returns:
        `DetectorTerms` of the N images.

    Examples:
        >>> model = cvae.load()
        >>> images, info = model.generate(3, dtype="uint8"), model.manifest.model
        >>> terms = elbo.detector_terms(
        ...     images,
        ...     model.encode(images),
        ...     lambda z: {"probs": model.decode(z)},
        ...     likelihood=info.likelihood,
        ...     preprocessing=info.preprocessing,
        ...     draws=4,
        ... )
        >>> terms.elbo.shape, terms.pixels.shape
        ((3,), (3, 28, 28))
    """
    noise = posterior_noise(EVALUATION_SEED, 0, draws, posterior.mean.shape[1])
    pixels, errors = np.zeros(images.shape[:3]), np.zeros(images.shape[:3])
    kl = np.empty(len(images))
    zero = np.zeros(posterior.mean.shape[1], np.float32)
    block = max(1, _DECODED_AT_A_TIME // draws)
    for start in range(0, len(images), block):
        part = slice(start, min(start + block, len(images)))
        count = part.stop - start
        # The draws of an image are adjacent rows.
        mean, logvar = (array[part].repeat(draws, axis=0) for array in posterior)
        z = reparameterize(mean, logvar, np.tile(noise, (count, 1)))
        of_rows = [] if labels is None else [labels[part].repeat(draws)]
        outputs = decode(z, *of_rows)
        targets = targets_of(images[part], preprocessing.binarize_at, preprocessing.scale)
        for draw in range(draws):
            of_draw = {name: array[draw::draws] for name, array in outputs.items()}
            errors[part] -= value_log_likelihood(targets, of_draw, "bernoulli").sum(axis=3) / draws
            if likelihood != "bernoulli":
                pixels[part] += value_log_likelihood(targets, of_draw, likelihood).sum(axis=3) / draws
        errors[part] -= target_entropy(targets).sum(axis=3)
        log_p_z = (
            gaussian_log_density(z, zero, zero) if log_prior is None else log_prior(z, *of_rows).astype(np.float64)
        )
        kl[part] = (gaussian_log_density(z, mean, logvar) - log_p_z).reshape(count, draws).mean(axis=1)
    if log_prior is None:
        kl = gaussian_kl(posterior.mean, posterior.logvar)
    if likelihood == "bernoulli":
        pixels = -errors
    return DetectorTerms(pixels.sum(axis=(1, 2)), kl, errors.sum(axis=(1, 2)), pixels, errors)

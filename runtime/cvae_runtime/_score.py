"""`Posterior` and `Scores`: the ELBO and the importance-weighted bound of images, for any encoder and decoder."""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ._bundle import DECODER_OUTPUTS, Preprocessing
from ._errors import InputError
from ._math import gaussian_kl, gaussian_log_density, log_likelihood, posterior_noise, reparameterize, targets_of

_DECODED_AT_A_TIME = 512  # latents; bounds the memory


@dataclasses.dataclass(frozen=True)
class Posterior:
    """The approximate posterior q(z|x) = N(mean, exp(logvar)) of N images.

    Attributes:
        mean: float32 (N, L).
        logvar: natural logarithm of the variance, float32 (N, L).

    Examples:
        >>> with cvae.load() as model:
        ...     posterior = model.encode(np.zeros((3, 28, 28, 1), np.uint8))
        >>> posterior.logvar.shape
        (3, 50)
    """

    mean: NDArray[np.float32]
    logvar: NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of N images under a model: float64 (N,) each except ``posterior``, in nats per image.

    Attributes:
        elbo: reconstruction - kl, a lower bound on log p(x).
        reconstruction: log p(x|z), averaged over the draws.
        kl: KL(q(z|x) || N(0, I)), in closed form.
        log_likelihood: the importance-weighted bound on log p(x) over the k draws (Burda, Grosse and Salakhutdinov,
            "Importance weighted autoencoders", 2016). Its expectation grows with k towards log p(x).
        posterior: the images' `Posterior`, as `Model.encode` returns it.

    Examples:
        >>> with cvae.load() as model:
        ...     scores = model.score(model.generate(3, seed=0, dtype="uint8"), samples=2)
        >>> bool(np.allclose(scores.elbo, scores.reconstruction - scores.kl))
        True
    """

    elbo: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    posterior: Posterior


def check_likelihood(likelihood: str) -> None:
    """Raise `InputError` unless this version can score images under ``likelihood``."""
    if likelihood not in DECODER_OUTPUTS:
        raise InputError(
            f"the bundle's likelihood is {likelihood!r}, and this version scores {', '.join(DECODER_OUTPUTS)}; "
            f"update cvae-toolkit"
        )


def score_images(
    images: NDArray[np.uint8],
    posterior: Posterior,
    decode: Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]],
    likelihood: str,
    preprocessing: Preprocessing,
    samples: int,
    seed: int,
    first: int,
) -> Scores:
    """Compute `Scores` of images with any decoder. The caller has checked the arguments.

    Args:
        images: uint8 (N, H, W, C).
        posterior: the posterior of ``images``.
        decode: function from latents, float32 (M, L), to the decoder's outputs by name; see `log_likelihood`.
        likelihood: the model's likelihood p(x|z), by name.
        preprocessing: the model's preprocessing, which turns pixels into the targets of the likelihood.
        samples: k, the number of draws per image.
        seed: unsigned 64-bit seed of the draws.
        first: index of the first image in the stream of draws.

    Returns:
        `Scores` of the N images.
    """
    reconstruction, bound = np.empty(len(images)), np.empty(len(images))
    zero = np.zeros(posterior.mean.shape[1], np.float32)
    block = max(1, _DECODED_AT_A_TIME // samples)
    for start in range(0, len(images), block):
        part = slice(start, min(start + block, len(images)))
        # The draws of an image are adjacent rows, in the order of the noise.
        mean = posterior.mean[part].repeat(samples, axis=0)
        logvar = posterior.logvar[part].repeat(samples, axis=0)
        targets = targets_of(images[part], preprocessing.binarize_at, preprocessing.scale).repeat(samples, axis=0)
        z = reparameterize(mean, logvar, posterior_noise(seed, (first + start) * samples, *mean.shape))
        log_p = log_likelihood(targets, decode(z), likelihood).reshape(-1, samples)
        log_prior_over_q = gaussian_log_density(z, zero, zero) - gaussian_log_density(z, mean, logvar)
        log_weights = log_p + log_prior_over_q.reshape(-1, samples)
        reconstruction[part] = log_p.mean(axis=1)
        bound[part] = np.logaddexp.reduce(log_weights, axis=1) - math.log(samples)
    kl = gaussian_kl(posterior.mean, posterior.logvar)
    return Scores(reconstruction - kl, reconstruction, kl, bound, posterior)

"""`Posterior` and `Scores`: the ELBO and the importance-weighted bound of images, for any encoder and decoder."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import LIKELIHOOD_OUTPUTS, Preprocessing
from .._errors import InputError
from .._math import gaussian_kl, gaussian_log_density, log_likelihood, posterior_noise, reparameterize, targets_of

_MEANS = ("elbo", "reconstruction", "kl", "iw_bound")  # in the repr of scores
_DECODED_AT_A_TIME = 512  # latents; bounds the memory


@dataclasses.dataclass(frozen=True, repr=False)
class Posterior:
    """The approximate posterior q(z|x) = N(mean, exp(logvar)) of N images. It unpacks into mean and logvar.

    Attributes:
        mean: float32 (N, L).
        logvar: natural logarithm of the variance, float32 (N, L).

    Examples:
        >>> mean, logvar = cvae.load().encode(np.zeros((3, 28, 28), np.uint8))
        >>> mean.shape, logvar.dtype
        ((3, 40), dtype('float32'))
    """

    mean: NDArray[np.float32]
    logvar: NDArray[np.float32]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        yield self.mean
        yield self.logvar

    def __repr__(self) -> str:
        return f"<Posterior of {_images(self.mean)}: mean and logvar, {self.mean.dtype} {self.mean.shape}>"


@dataclasses.dataclass(frozen=True, repr=False)
class Scores:
    """Scores of N images under a model. The first four are float64 (N,), in nats per image.

    Attributes:
        elbo: reconstruction - kl, a lower bound on log p(x).
        reconstruction: log p(x|z), averaged over the draws.
        kl: KL(q(z|x) || N(0, I)), in closed form. With a learned prior, log q(z|x) - log p(z), averaged over the draws.
        iw_bound: the importance-weighted bound on log p(x) over k draws (Burda, Grosse and Salakhutdinov,
            "Importance weighted autoencoders", 2016). Its expectation grows with k towards log p(x), so bounds of
            different k differ. For k = 1 it is an estimate of the ELBO in which the KL term is not in closed form.
        posterior: the images' `Posterior`, as `Model.encode` returns it.
        samples: k, the number of draws per image.

    Examples:
        >>> scores = cvae.load().score(np.zeros((3, 28, 28), np.uint8), samples=5)
        >>> scores.elbo.shape, scores.iw_bound.dtype, scores.samples
        ((3,), dtype('float64'), 5)
    """

    elbo: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    iw_bound: NDArray[np.float64]
    posterior: Posterior
    samples: int

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {getattr(self, name).mean():.1f}" for name in _MEANS)
        draws = f"{self.samples} draw{'' if self.samples == 1 else 's'}"
        return f"<Scores of {_images(self.elbo)} by {draws}: {means}; means in nats per image>"


def _images(array: NDArray[Any]) -> str:
    return f"{len(array)} image{'' if len(array) == 1 else 's'}"


def check_likelihood(likelihood: str) -> None:
    """Raise `InputError` unless this version can score images under ``likelihood``."""
    if likelihood not in LIKELIHOOD_OUTPUTS:
        raise InputError(
            f"the bundle's likelihood is {likelihood!r}, and this version scores {', '.join(LIKELIHOOD_OUTPUTS)}; "
            f"update cvae-toolkit"
        )


def score_images(
    images: NDArray[np.uint8],
    posterior: Posterior,
    decode: Callable[..., Mapping[str, NDArray[np.float32]]],
    *,
    likelihood: str,
    preprocessing: Preprocessing,
    samples: int = 1,
    seed: int = 0,
    first: int = 0,
    log_prior: Callable[..., NDArray[Any]] | None = None,
    labels: NDArray[np.int64] | None = None,
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
        first: index of ``images[0]`` in the whole set. The seed and an image's index determine its draws.
        log_prior: function from latents, float32 (M, L), to log p(z), (M,), of a learned prior. Default: N(0, I).
        labels: class of each image, int64 (N,). If given, both functions get the labels of the latents, int64 (M,), as
            their second argument.

    Returns:
        `Scores` of the N images.

    Examples:
        >>> model = cvae.load()
        >>> images, info = model.generate(3, dtype="uint8"), model.manifest.model
        >>> scores = elbo.score_images(
        ...     images,
        ...     model.encode(images),
        ...     lambda z: {"probs": model.decode(z)},
        ...     likelihood=info.likelihood,
        ...     preprocessing=info.preprocessing,
        ... )
        >>> bool(np.allclose(scores.reconstruction, model.score(images).reconstruction))
        True
    """
    reconstruction, bound, kl = (np.empty(len(images)) for _ in range(3))
    zero = np.zeros(posterior.mean.shape[1], np.float32)
    block = max(1, _DECODED_AT_A_TIME // samples)
    for start in range(0, len(images), block):
        part = slice(start, min(start + block, len(images)))
        # The draws of an image are adjacent rows, in the order of the noise.
        mean = posterior.mean[part].repeat(samples, axis=0)
        logvar = posterior.logvar[part].repeat(samples, axis=0)
        targets = targets_of(images[part], preprocessing.binarize_at, preprocessing.scale)
        z = reparameterize(mean, logvar, posterior_noise(seed, (first + start) * samples, *mean.shape))
        of_draws = np.empty(len(z))
        of_rows = [] if labels is None else [labels[part].repeat(samples)]
        for row in range(0, len(z), _DECODED_AT_A_TIME):
            rows = np.arange(row, min(row + _DECODED_AT_A_TIME, len(z)))
            of_draws[rows] = log_likelihood(
                targets[rows // samples], decode(z[rows], *(given[rows] for given in of_rows)), likelihood
            )
        log_p = of_draws.reshape(-1, samples)
        log_p_z = (
            gaussian_log_density(z, zero, zero) if log_prior is None else log_prior(z, *of_rows).astype(np.float64)
        )
        log_prior_over_q = (log_p_z - gaussian_log_density(z, mean, logvar)).reshape(-1, samples)
        log_weights = log_p + log_prior_over_q
        kl[part] = -log_prior_over_q.mean(axis=1)
        reconstruction[part] = log_p.mean(axis=1)
        bound[part] = np.logaddexp.reduce(log_weights, axis=1) - math.log(samples)
    if log_prior is None:
        kl = gaussian_kl(posterior.mean, posterior.logvar)
    return Scores(reconstruction - kl, reconstruction, kl, bound, posterior, samples)

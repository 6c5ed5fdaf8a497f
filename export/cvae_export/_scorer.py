"""The scorer: `cvae_runtime.elbo.score_images` as a TensorFlow function, with noise passed by the caller.

Likelihoods and KL are computed in float64 from the encoder's and decoder's float32 outputs, for sums over thousands of
pixels and the tails of narrow pixel distributions. The scores are returned in float32.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import Posterior
from cvae_runtime.bundle import ModelInfo
from cvae_runtime.elbo import EVALUATION_SEED, PROBABILITY_FLOOR, score_images
from cvae_train import preprocess

from ._rounding import LAST_PLACES, move_inwards
from ._source import ExportSource, given


def scorer(source: ExportSource) -> Any:
    """Return a function of images uint8 (N, H, W, C) and noise float32 (K, N, L) to scores float32 (N,), in nats.

    A model with labels also takes ``label``, int64 (N,). ``elbo`` is the mean over the K draws; ``log_likelihood`` is
    the importance-weighted bound over them. With a learned prior, the KL of the ELBO is log q(z|x) - log p(z) of the
    draws, otherwise it is in closed form.
    """
    info = source.info
    images = tf.TensorSpec([None, *info.image_shape], tf.uint8, name="images")
    noise = tf.TensorSpec([None, None, info.latent_dim], tf.float32, name="noise")

    labels = [] if info.labels is None else [tf.TensorSpec([None], tf.int64, name="label")]

    @tf.function(autograph=False, input_signature=[images, noise, *labels])
    def score(images: tf.Tensor, noise: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        mean, logvar = source.encode(source.preprocess(images), *given(label))
        z = mean + tf.exp(logvar * 0.5) * noise
        of_draws = None if label is None else tf.tile(label, tf.shape(noise)[:1])
        outputs = source.decode(tf.reshape(z, [-1, info.latent_dim]), *given(of_draws))
        # One axis for all pixels and channels, since OpenCV 5 computes wrong sums over several axes.
        pixels = math.prod(info.image_shape)
        parameters = {
            # (draws, images, pixels), parameters of a mixture (draws, images, pixels, K).
            name: tf.reshape(
                tf.cast(output, tf.float64), tf.concat([tf.shape(noise)[:2], [pixels, *output.shape[4:]]], 0)
            )
            for name, output in outputs.items()
        }
        x = tf.reshape(tf.cast(preprocess(images, info.preprocessing.binarize_at), tf.float64), [-1, pixels])
        log_p_x = tf.reduce_sum(_log_likelihood(x, parameters, info.likelihood), axis=2)
        log_prior = None
        if source.prior_density is not None:
            log_prior = tf.reshape(
                source.prior_density(tf.reshape(z, [-1, info.latent_dim]), *given(of_draws))[0], tf.shape(noise)[:2]
            )
            log_prior = tf.cast(log_prior, tf.float64) + 0.5 * info.latent_dim * math.log(2.0 * math.pi)
        z, mean, logvar = (tf.cast(tensor, tf.float64) for tensor in (z, mean, logvar))
        # Both densities are without the factor (2 pi)^(-L/2).
        log_q = -0.5 * tf.reduce_sum(logvar + (z - mean) ** 2 * tf.exp(-logvar), axis=2)
        if log_prior is None:
            log_prior_over_q = -0.5 * tf.reduce_sum(z**2, axis=2) - log_q
            kl = 0.5 * tf.reduce_sum(tf.exp(logvar) + mean**2 - 1.0 - logvar, axis=1)
        else:
            log_prior_over_q = log_prior - log_q
            kl = -tf.reduce_mean(log_prior_over_q, axis=0)
        scores = {
            "elbo": tf.reduce_mean(log_p_x, axis=0) - kl,
            "log_likelihood": _log_mean_exp(log_p_x + log_prior_over_q),
        }
        return {name: tf.cast(score, tf.float32) for name, score in scores.items()}

    return score


def _log_likelihood(x: tf.Tensor, parameters: Mapping[str, tf.Tensor], likelihood: str) -> tf.Tensor:
    """Return log p of each pixel, float64; see `cvae_runtime.elbo.log_likelihood`."""
    if likelihood == "bernoulli":
        p = tf.clip_by_value(parameters["probs"], PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
        return x * tf.math.log(p) + (1.0 - x) * tf.math.log(1.0 - p)
    x = tf.round(255.0 * x) / 255.0
    if likelihood == "discretized-logistic":
        return _log_level(x, parameters["probs"], parameters["log_scale"])
    logits = parameters["mixture_logits"]
    log_p = _log_level(x[..., tf.newaxis], parameters["location"], parameters["log_scale"])
    return _log_sum_exp(logits + log_p, -1) - _log_sum_exp(logits, -1)


def _log_level(x: tf.Tensor, m: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Return the log probability of level x under a discretized logistic distribution with location m."""
    s = tf.exp(log_scale)
    a, b = (x - 1 / 510 - m) / s, (x + 1 / 510 - m) / s
    zero = tf.zeros([], tf.float64)
    above_a = tf.where(x == 0.0, zero, -_softplus(a))
    below_b = tf.where(x == 1.0, zero, -_softplus(-b))
    between = tf.where((x == 0.0) | (x == 1.0), zero, tf.math.log(1.0 - tf.exp(-1 / (255.0 * s))))
    return above_a + below_b + between


def _softplus(x: tf.Tensor) -> tf.Tensor:
    """Return log(1 + exp(x)) for large x too: runtimes' own Softplus overflows in float64 beyond 709."""
    return tf.maximum(x, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(x)))


def _log_mean_exp(values: tf.Tensor) -> tf.Tensor:
    """Reduce the first axis."""
    return _log_sum_exp(values, 0) - tf.math.log(tf.cast(tf.shape(values)[0], tf.float64))


def _log_sum_exp(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Reduce an axis with plain operators; TensorFlow's own function adds checks for infinities."""
    largest = tf.reduce_max(values, axis=axis, keepdims=True)
    return tf.squeeze(largest, axis) + tf.math.log(tf.reduce_sum(tf.exp(values - largest), axis=axis))


def model_scores(
    info: ModelInfo,
    images: NDArray[np.uint8],
    posterior: Posterior,
    decode: Callable[..., Mapping[str, NDArray[np.float32]]],
    samples: int,
    log_prior: Callable[..., NDArray[np.float32]] | None = None,
    labels: NDArray[np.int64] | None = None,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Return the expected scores by `score_images`, whose arguments these are, and their rounding errors.

    Returns:
        The scores and their rounding errors, see `_rounding`: float64 (N,) each, by output name.
    """

    def scores(inwards: float) -> dict[str, NDArray[np.float64]]:
        found = score_images(
            images,
            posterior,
            lambda *latents: move_inwards(decode(*latents), inwards),
            likelihood=info.likelihood,
            preprocessing=info.preprocessing,
            samples=samples,
            seed=EVALUATION_SEED,
            log_prior=log_prior,
            labels=labels,
        )
        return {"elbo": found.elbo, "log_likelihood": found.iw_bound}

    right, rounded = scores(0.0), scores(LAST_PLACES)
    return right, {name: np.abs(rounded[name] - right[name]) for name in right}

"""TensorFlow functions with explicit signatures, one for each role, that define what a graph computes.

Only the sampler has none: `_sampler` writes its random numbers as a graph in front of the decoder.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from ._scorer import scorer
from ._source import ExportSource, given

Function = Any  # tf.types.experimental.PolymorphicFunction, which has no types for a checker


def _encoder(source: ExportSource, dtype: tf.DType, preprocess: Callable[[tf.Tensor], tf.Tensor]) -> Function:
    """Map images (N, H, W, C) to mean and logvar, float32 (N, L); includes scaling and binarization."""

    @_of(source, _images(source, dtype))
    def encoder(images: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        mean, logvar = source.encode(preprocess(images), *given(label))
        return {"mean": mean, "logvar": logvar}

    return encoder


def _decoder(source: ExportSource) -> Function:
    """Map z float32 (N, L) to probs float32 (N, H, W, C), the expected image, and the likelihood's other outputs."""

    @_of(source, _latents(source))
    def decoder(z: tf.Tensor, label: tf.Tensor | None = None) -> Mapping[str, tf.Tensor]:
        return source.decode(z, *given(label))

    return decoder


def _decoder_uint8(source: ExportSource) -> Function:
    """Map z float32 (N, L) to images uint8 (N, H, W, C), rounded as by `cvae_runtime.to_uint8`."""

    @_of(source, _latents(source))
    def decoder_uint8(z: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        probs = tf.clip_by_value(source.decode(z, *given(label))["probs"], 0.0, 1.0)
        return {"images": tf.cast(tf.round(probs * 255.0), tf.uint8)}

    return decoder_uint8


def _reconstructor(source: ExportSource) -> Function:
    """Map images uint8 (N, H, W, C) to the decoder's outputs for their means."""

    @_of(source, _images(source, tf.uint8))
    def reconstructor(images: tf.Tensor, label: tf.Tensor | None = None) -> Mapping[str, tf.Tensor]:
        mean, _ = source.encode(source.preprocess(images), *given(label))
        return source.decode(mean, *given(label))

    return reconstructor


def _prior(source: ExportSource) -> Function:
    """Map noise float32 (N, L), draws of N(0, I), to z float32 (N, L), draws of the learned prior."""
    latents = source.latents
    assert latents is not None

    @_of(source, _latents(source, "noise"))
    def prior(noise: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        return {"z": latents(noise, *given(label))}

    return prior


def _prior_density(source: ExportSource) -> Function:
    """Map z float32 (N, L) to log_prob float32 (N,), log p(z) of the learned prior in nats, and noise float32 (N, L),
    which the prior maps to z.
    """
    density = source.prior_density
    assert density is not None

    @_of(source, _latents(source))
    def prior_density(z: tf.Tensor, label: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        log_prob, noise = density(z, *given(label))
        return {"log_prob": log_prob, "noise": noise}

    return prior_density


def _of(source: ExportSource, spec: tf.TensorSpec) -> Callable[[Callable[..., Any]], Function]:
    """Decorate a function of one input, and of ``label`` int64 (N,) if the model has labels."""
    labels = [] if source.info.labels is None else [tf.TensorSpec([None], tf.int64, name="label")]
    return tf.function(autograph=False, input_signature=[spec, *labels])


def _images(source: ExportSource, dtype: tf.DType) -> tf.TensorSpec:
    return tf.TensorSpec([None, *source.info.image_shape], dtype, name="images")


def _latents(source: ExportSource, name: str = "z") -> tf.TensorSpec:
    return tf.TensorSpec([None, source.info.latent_dim], tf.float32, name=name)


FUNCTIONS: Mapping[str, Callable[[ExportSource], Function]] = {
    "encoder": lambda source: _encoder(source, tf.uint8, source.preprocess),
    "decoder": _decoder,
    "reconstructor": _reconstructor,
    "scorer": scorer,
    "prior": _prior,
    "prior_density": _prior_density,
    "decoder_uint8": _decoder_uint8,
    # For runtimes without uint8 inputs: takes float pixels in [0, 1].
    "encoder_float": lambda source: _encoder(source, tf.float32, source.preprocess_float),
}


def outputs_of(role: str, source: ExportSource) -> tuple[str, ...]:
    """Return the names of a role's outputs, in the order of its graph."""
    outputs = {
        "encoder": ("mean", "logvar"),
        "encoder_float": ("mean", "logvar"),
        "decoder_uint8": ("images",),
        "scorer": ("elbo", "log_likelihood"),
        "prior": ("z",),
        "prior_density": ("log_prob", "noise"),
    }
    return outputs.get(role, source.info.decoder_outputs)

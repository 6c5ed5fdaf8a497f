"""What the graphs of a bundle compute, as TensorFlow functions with explicit signatures, one a role.

The sampler alone has none: it is the decoder behind random numbers in integers, which `_sampler` writes as a graph.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from ._scorer import scorer
from ._subject import Subject

Function = Any  # tf.types.experimental.PolymorphicFunction, which has no types for a checker


def _encoder(subject: Subject, dtype: tf.DType, preprocess: Callable[[tf.Tensor], tf.Tensor]) -> Function:
    """images (N, H, W, C) to mean and logvar float32 (N, L); scaling and binarization included."""

    @tf.function(autograph=False, input_signature=[_images(subject, dtype)])
    def encoder(images: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, logvar = subject.encode(preprocess(images))
        return {"mean": mean, "logvar": logvar}

    return encoder


def _decoder(subject: Subject) -> Function:
    """z float32 (N, L) to probs float32 (N, H, W, C), the expected image, in [0, 1], and what else the likelihood takes."""

    @tf.function(autograph=False, input_signature=[_latents(subject)])
    def decoder(z: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return subject.decode(z)

    return decoder


def _decoder_uint8(subject: Subject) -> Function:
    """z float32 (N, L) to images uint8 (N, H, W, C), rounded as `cvae_runtime.to_uint8` does."""

    @tf.function(autograph=False, input_signature=[_latents(subject)])
    def decoder_uint8(z: tf.Tensor) -> dict[str, tf.Tensor]:
        probs = tf.clip_by_value(subject.decode(z)["probs"], 0.0, 1.0)
        return {"images": tf.cast(tf.round(probs * 255.0), tf.uint8)}

    return decoder_uint8


def _reconstructor(subject: Subject) -> Function:
    """images uint8 (N, H, W, C) to what the decoder makes of their means."""

    @tf.function(autograph=False, input_signature=[_images(subject, tf.uint8)])
    def reconstructor(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        mean, _ = subject.encode(subject.preprocess(images))
        return subject.decode(mean)

    return reconstructor


def _images(subject: Subject, dtype: tf.DType) -> tf.TensorSpec:
    return tf.TensorSpec([None, *subject.info.image_shape], dtype, name="images")


def _latents(subject: Subject) -> tf.TensorSpec:
    return tf.TensorSpec([None, subject.info.latent_dim], tf.float32, name="z")


FUNCTIONS: Mapping[str, Callable[[Subject], Function]] = {
    "encoder": lambda subject: _encoder(subject, tf.uint8, subject.preprocess),
    "decoder": _decoder,
    "reconstructor": _reconstructor,
    "scorer": scorer,
    "decoder_uint8": _decoder_uint8,
    # Of pixels in [0, 1], for runtimes that take no bytes.
    "encoder_float": lambda subject: _encoder(subject, tf.float32, subject.preprocess_float),
}


def outputs_of(role: str, subject: Subject) -> tuple[str, ...]:
    """The names of a role's outputs, in the order in which its graph lists them."""
    outputs = {
        "encoder": ("mean", "logvar"),
        "encoder_float": ("mean", "logvar"),
        "decoder_uint8": ("images",),
        "scorer": ("elbo", "log_likelihood"),
    }
    return outputs.get(role, subject.info.decoder_outputs)

"""What the graphs of a bundle compute, as TensorFlow functions with explicit signatures, one a role."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from ._subject import Subject

Function = Any  # tf.types.experimental.PolymorphicFunction, which has no types for a checker


def _encoder(subject: Subject) -> Function:
    """images uint8 (N, H, W, C) to mean and logvar float32 (N, L); scaling and binarization included."""
    images = tf.TensorSpec([None, *subject.info.image_shape], tf.uint8, name="images")

    @tf.function(autograph=False, input_signature=[images])
    def encoder(images: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, logvar = subject.encode(subject.preprocess(images))
        return {"mean": mean, "logvar": logvar}

    return encoder


def _decoder(subject: Subject) -> Function:
    """z float32 (N, L) to probs float32 (N, H, W, C), the expected image, in [0, 1], and log_scale where there is one."""
    z = tf.TensorSpec([None, subject.info.latent_dim], tf.float32, name="z")

    @tf.function(autograph=False, input_signature=[z])
    def decoder(z: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return subject.decode(z)

    return decoder


FUNCTIONS: Mapping[str, Callable[[Subject], Function]] = {"encoder": _encoder, "decoder": _decoder}


def outputs_of(role: str, subject: Subject) -> tuple[str, ...]:
    """The names of a role's outputs, in the order in which its graph lists them."""
    return {"encoder": ("mean", "logvar"), "decoder": subject.info.decoder_outputs}[role]

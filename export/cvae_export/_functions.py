"""What the graphs of a bundle compute, as TensorFlow functions with explicit signatures."""

from typing import Any

import tensorflow as tf

from cvae_train import CVAE, preprocess

Function = Any  # tf.types.experimental.PolymorphicFunction, which has no types for a checker


def encoder_function(model: CVAE, binarize_at: int | None) -> Function:
    """images uint8 (N, H, W, C) to mean and logvar float32 (N, L); scaling and binarization included."""
    images = tf.TensorSpec([None, *model.config.image_shape], tf.uint8, name="images")

    @tf.function(autograph=False, input_signature=[images])
    def encoder(images: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, logvar = model.encode(preprocess(images, binarize_at))
        return {"mean": mean, "logvar": logvar}

    return encoder


def decoder_function(model: CVAE) -> Function:
    """z float32 (N, L) to probs float32 (N, H, W, C), the expected image, in [0, 1], and log_scale where there is one."""
    z = tf.TensorSpec([None, model.config.latent_dim], tf.float32, name="z")

    @tf.function(autograph=False, input_signature=[z])
    def decoder(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.pixel_parameters(z)

    return decoder

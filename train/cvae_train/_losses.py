"""The terms of the evidence lower bound in TensorFlow, in nats per image.

Sources: Kingma and Welling, "Auto-encoding variational Bayes", 2014; the three-term estimator is the loss of
TensorFlow's 2018 notebook.
"""

import math

import tensorflow as tf


def preprocess(images: tf.Tensor, binarize_at: int | None) -> tf.Tensor:
    """What the network sees of uint8 pixels: float32 0 or 1 from ``binarize_at`` on, or pixel / 255."""
    # Compared as float: runtimes of ONNX seldom have a comparison of bytes.
    values = tf.cast(images, tf.float32)
    return values / 255.0 if binarize_at is None else tf.cast(values >= float(binarize_at), tf.float32)


def log_likelihood(x: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """log p(x|z) of Bernoulli pixels, (B, H, W, C) each, summed over each image: (B,)."""
    return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits), axis=[1, 2, 3])


def log_normal(z: tf.Tensor, mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """log N(z; mean, exp(logvar)) of latents (..., L), summed over each: (...)."""
    terms = math.log(2.0 * math.pi) + logvar + (z - mean) ** 2 * tf.exp(-logvar)
    return -0.5 * tf.reduce_sum(terms, axis=-1)


def gaussian_kl_per_dimension(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """The summands of `gaussian_kl`: (B, L)."""
    return 0.5 * (tf.exp(logvar) + mean**2 - 1.0 - logvar)


def gaussian_kl(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """KL(q(z|x) || N(0, I)) in closed form from (B, L): (B,)."""
    return tf.reduce_sum(gaussian_kl_per_dimension(mean, logvar), axis=1)

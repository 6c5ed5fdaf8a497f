"""The terms of the evidence lower bound in TensorFlow, in nats per image.

Sources: Kingma and Welling, "Auto-encoding variational Bayes", 2014; the three-term estimator is the loss of
TensorFlow's 2018 notebook.
"""

import math

import tensorflow as tf

from ._config import Likelihood

# The scales that a network can give. The least is PixelCNN++'s, e^-7 where pixels range from -1 to 1, twice as far as
# here: a level's interval is 8.6 of it wide, so that a pixel that is certain costs 0.03 nats. At the largest, levels 0
# and 255 hold all but a hundredth, which is what a pixel that is either black or white asks for; unbounded, its scale
# grows until the loss is no number. Training begins in the middle: a standard deviation of 0.17, near that of pictures.
LOG_SCALES = (-7.0 - math.log(2.0), 3.0)


def preprocess(images: tf.Tensor, binarize_at: int | None) -> tf.Tensor:
    """What the network sees of uint8 pixels: float32 0 or 1 from ``binarize_at`` on, or pixel / 255."""
    # Compared as float: runtimes of ONNX seldom have a comparison of bytes.
    values = tf.cast(images, tf.float32)
    return values / 255.0 if binarize_at is None else tf.cast(values >= float(binarize_at), tf.float32)


def pixel_parameters(output: tf.Tensor, likelihood: Likelihood) -> dict[str, tf.Tensor]:
    """What the decoder's output says of each pixel, (B, H, W, C) each, by the names that a bundle has for it.

    "probs": the expected image, in [0, 1]; of "discretized-logistic" the location. "log_scale": of that alone.
    """
    if likelihood == "bernoulli":
        return {"probs": tf.sigmoid(output)}
    location, scale = tf.split(output, 2, axis=-1)
    low, high = LOG_SCALES
    return {"probs": tf.sigmoid(location), "log_scale": low + (high - low) * tf.sigmoid(scale)}


def log_likelihood(x: tf.Tensor, output: tf.Tensor, likelihood: Likelihood) -> tf.Tensor:
    """log p(x|z) of pixels (B, H, W, C) from the decoder's output, summed over each image: (B,).

    The formulas are those of `cvae_runtime.bernoulli_log_likelihood` and `discretized_logistic_log_likelihood`.
    """
    if likelihood == "bernoulli":
        return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=output), axis=[1, 2, 3])
    parameters = pixel_parameters(output, likelihood)
    m, s = parameters["probs"], tf.exp(parameters["log_scale"])
    a, b = (x - 1 / 510 - m) / s, (x + 1 / 510 - m) / s
    above_a = tf.where(x == 0.0, 0.0, -tf.nn.softplus(a))
    below_b = tf.where(x == 1.0, 0.0, -tf.nn.softplus(-b))
    between = tf.where((x == 0.0) | (x == 1.0), 0.0, tf.math.log(-tf.math.expm1(-1 / (255 * s))))
    return tf.reduce_sum(above_a + below_b + between, axis=[1, 2, 3])


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

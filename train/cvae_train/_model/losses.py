"""The terms of the evidence lower bound in TensorFlow, in nats per image.

Sources: Kingma and Welling, "Auto-encoding variational Bayes", 2014; the three-term estimator is the loss of
TensorFlow's 2018 notebook.
"""

import math

import tensorflow as tf

from .._config import COMPONENTS, Likelihood

# The least logarithm of a scale is PixelCNN++'s, -7 where pixels range from -1 to 1, twice as far as here: a level's
# interval is 8.6 of the scale wide, so that a pixel that is certain costs 0.03 nats.
LEAST_LOG_SCALE = -7.0 - math.log(2.0)

# Of a single component, whose location lies in [0, 1]. At the largest scale, levels 0 and 255 hold all but a hundredth;
# unbounded, it grows until the loss is no number. Training begins in the middle: a standard deviation of 0.17, near that
# of pictures.
LOG_SCALES = (LEAST_LOG_SCALE, 3.0)

# Of a mixture's components. A scale of several ranges says no more than one, and float32 sums of so wide a component
# have less than six digits.
MIXTURE_LOG_SCALES = (LEAST_LOG_SCALE, 2.0)


def preprocess(images: tf.Tensor, binarize_at: int | None) -> tf.Tensor:
    """What the network sees of uint8 pixels: float32 0 or 1 from ``binarize_at`` on, or pixel / 255."""
    # Compared as float: runtimes of ONNX seldom have a comparison of bytes.
    values = tf.cast(images, tf.float32)
    return values / 255.0 if binarize_at is None else tf.cast(values >= float(binarize_at), tf.float32)


def pixel_parameters(output: tf.Tensor, likelihood: Likelihood) -> dict[str, tf.Tensor]:
    """What the decoder's output says of each pixel, by the names that a bundle has for it.

    "probs": the expected image (B, H, W, C), in [0, 1]; of "discretized-logistic" the location. "log_scale": of that
    alone, of the same shape; "location", "log_scale", "mixture_logits": of the mixture, (B, H, W, C, K) each.
    """
    if likelihood == "bernoulli":
        return {"probs": tf.sigmoid(output)}
    if likelihood == "discretized-logistic":
        location, scale = tf.split(output, 2, axis=-1)
        low, high = LOG_SCALES
        return {"probs": tf.sigmoid(location), "log_scale": low + (high - low) * tf.sigmoid(scale)}
    components = _components(output)
    return {"probs": _expected(**components), **components}


def _components(output: tf.Tensor) -> dict[str, tf.Tensor]:
    """The mixture's parameters, (B, H, W, C, K) each, of an output (B, H, W, 3CK)."""
    shape = [-1, *output.shape[1:3], output.shape[3] // (3 * COMPONENTS), COMPONENTS]
    location, log_scale, logits = (tf.reshape(part, shape) for part in tf.split(output, 3, axis=-1))
    low, high = MIXTURE_LOG_SCALES
    log_scale = tf.minimum(tf.maximum(log_scale, low), high)
    return {"location": location, "log_scale": log_scale, "mixture_logits": logits}


def _expected(location: tf.Tensor, log_scale: tf.Tensor, mixture_logits: tf.Tensor) -> tf.Tensor:
    """The mean of a mixture of logistic distributions that are cut off at 0 and 1.

    That of one component is s (softplus(m/s) - softplus((m - 1)/s)). It is written as the clipped location and a
    correction of at most s log 2, so that nothing overflows and float32 does not lose the difference.
    """
    s = tf.exp(log_scale)
    correction = s * (_log1p_exp(-tf.abs(location) / s) - _log1p_exp(-tf.abs(location - 1.0) / s))
    means = tf.minimum(tf.maximum(location, 0.0), 1.0) + correction
    mean = tf.reduce_sum(tf.nn.softmax(mixture_logits) * means, axis=-1)
    return tf.minimum(tf.maximum(mean, 0.0), 1.0)


def _log1p_exp(x: tf.Tensor) -> tf.Tensor:
    """log(1 + exp(x)) of x <= 0, in operators that every runtime of ONNX has."""
    return tf.math.log(1.0 + tf.exp(x))


def log_likelihood(x: tf.Tensor, output: tf.Tensor, likelihood: Likelihood) -> tf.Tensor:
    """log p(x|z) of pixels (B, H, W, C) from the decoder's output, summed over each image: (B,).

    The formulas are those of `cvae_runtime.elbo.log_likelihood`.
    """
    if likelihood == "bernoulli":
        return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=output), axis=[1, 2, 3])
    if likelihood == "discretized-logistic":
        parameters = pixel_parameters(output, likelihood)
        return tf.reduce_sum(_log_level(x, parameters["probs"], parameters["log_scale"]), axis=[1, 2, 3])
    components = _components(output)
    log_p = _log_level(x[..., tf.newaxis], components["location"], components["log_scale"])
    log_p += tf.nn.log_softmax(components["mixture_logits"])
    return tf.reduce_sum(tf.reduce_logsumexp(log_p, axis=-1), axis=[1, 2, 3])


def _log_level(x: tf.Tensor, m: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """log of the probability that a logistic distribution of location m gives the level x; the arguments broadcast."""
    s = tf.exp(log_scale)
    a, b = (x - 1 / 510 - m) / s, (x + 1 / 510 - m) / s
    above_a = tf.where(x == 0.0, 0.0, -tf.nn.softplus(a))
    below_b = tf.where(x == 1.0, 0.0, -tf.nn.softplus(-b))
    between = tf.where((x == 0.0) | (x == 1.0), 0.0, tf.math.log(-tf.math.expm1(-1 / (255 * s))))
    return above_a + below_b + between


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

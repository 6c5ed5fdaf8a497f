"""Terms of the evidence lower bound (ELBO) in TensorFlow, in nats per image.

Sources: Kingma and Welling, "Auto-encoding variational Bayes", 2014; the three-term estimator is the loss of
TensorFlow's 2018 notebook.
"""

import math

import tensorflow as tf

from .._config import COMPONENTS, Likelihood
from .mixture import mixture_log_likelihood

# PixelCNN++'s lower bound of -7, for half its pixel range (there -1 to 1). The interval of a level is then 8.6 times as
# wide as the scale, so a pixel without uncertainty costs 0.03 nats.
LEAST_LOG_SCALE = -7.0 - math.log(2.0)

# Bounds for a single component with a location in [0, 1]. At the upper bound, levels 0 and 255 have all but 1% of the
# probability; without it, the scale grows until the loss is NaN. Training starts in the middle, at a standard deviation
# of 0.17, which is close to that of typical images.
LOG_SCALES = (LEAST_LOG_SCALE, 3.0)

# Bounds for mixture components. Scales beyond the pixel range add nothing, and with wider components float32 sums have
# less than six digits.
MIXTURE_LOG_SCALES = (LEAST_LOG_SCALE, 2.0)


def preprocess(images: tf.Tensor, binarize_at: int | None) -> tf.Tensor:
    """Convert uint8 pixels to float32: 1 from level ``binarize_at`` on, otherwise 0; or pixel / 255 if it is None.

    Examples:
        >>> cvae_train.preprocess(np.uint8([0, 127, 128, 255]), binarize_at=128).numpy().tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    # Compare as float, since few ONNX runtimes can compare bytes.
    values = tf.cast(images, tf.float32)
    return values / 255.0 if binarize_at is None else tf.cast(values >= float(binarize_at), tf.float32)


def pixel_parameters(output: tf.Tensor, likelihood: Likelihood) -> dict[str, tf.Tensor]:
    """Convert the decoder's output to the parameters of each pixel, by the names of a bundle's outputs.

    "probs" is the expected image (B, H, W, C) in [0, 1], or the location for "discretized-logistic", which also has
    "log_scale" of the same shape. A mixture has "location", "log_scale" and "mixture_logits", (B, H, W, C, K) each.
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
    """Split an output (B, H, W, 3CK) into the parameters of a mixture, (B, H, W, C, K) each."""
    shape = [-1, *output.shape[1:3], output.shape[3] // (3 * COMPONENTS), COMPONENTS]
    location, log_scale, logits = (tf.reshape(part, shape) for part in tf.split(output, 3, axis=-1))
    low, high = MIXTURE_LOG_SCALES
    log_scale = tf.minimum(tf.maximum(log_scale, low), high)
    return {"location": location, "log_scale": log_scale, "mixture_logits": logits}


def _expected(location: tf.Tensor, log_scale: tf.Tensor, mixture_logits: tf.Tensor) -> tf.Tensor:
    """Mean of a mixture of logistic distributions that are clipped to [0, 1].

    The mean of one component is s (softplus(m/s) - softplus((m - 1)/s)). It is computed as the clipped location plus a
    correction of at most s log 2, which avoids overflow and cancellation in float32.
    """
    s = tf.exp(log_scale)
    correction = s * (_log1p_exp(-tf.abs(location) / s) - _log1p_exp(-tf.abs(location - 1.0) / s))
    means = tf.minimum(tf.maximum(location, 0.0), 1.0) + correction
    mean = tf.reduce_sum(tf.nn.softmax(mixture_logits) * means, axis=-1)
    return tf.minimum(tf.maximum(mean, 0.0), 1.0)


def _log1p_exp(x: tf.Tensor) -> tf.Tensor:
    """Compute log(1 + exp(x)) for x <= 0 with operators that every ONNX runtime has."""
    return tf.math.log(1.0 + tf.exp(x))


def log_likelihood(x: tf.Tensor, output: tf.Tensor, likelihood: Likelihood) -> tf.Tensor:
    """log p(x|z) of images (B, H, W, C), given the decoder's output, summed over each image: (B,).

    `cvae_runtime.elbo.log_likelihood` has the same formulas.
    """
    if likelihood == "bernoulli":
        return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=output), axis=[1, 2, 3])
    if likelihood == "discretized-logistic":
        parameters = pixel_parameters(output, likelihood)
        return tf.reduce_sum(_log_level(x, parameters["probs"], parameters["log_scale"]), axis=[1, 2, 3])
    return mixture_log_likelihood(x, output, MIXTURE_LOG_SCALES)


def _log_level(x: tf.Tensor, m: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Log probability of level x under a discretized logistic distribution with location m."""
    s = tf.exp(log_scale)
    a, b = (x - 1 / 510 - m) / s, (x + 1 / 510 - m) / s
    above_a = tf.where(x == 0.0, 0.0, -tf.nn.softplus(a))
    below_b = tf.where(x == 1.0, 0.0, -tf.nn.softplus(-b))
    between = tf.where((x == 0.0) | (x == 1.0), 0.0, tf.math.log(-tf.math.expm1(-1 / (255 * s))))
    return above_a + below_b + between


def log_normal(z: tf.Tensor, mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """log N(z; mean, exp(logvar)) of latents (..., L), summed over the dimensions: (...)."""
    terms = math.log(2.0 * math.pi) + logvar + (z - mean) ** 2 * tf.exp(-logvar)
    return -0.5 * tf.reduce_sum(terms, axis=-1)


def gaussian_kl_per_dimension(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """KL(q(z|x) || N(0, I)) of each dimension, in closed form: (B, L)."""
    return 0.5 * (tf.exp(logvar) + mean**2 - 1.0 - logvar)


def gaussian_kl(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """KL(q(z|x) || N(0, I)) in closed form, from mean and logvar (B, L): (B,)."""
    return tf.reduce_sum(gaussian_kl_per_dimension(mean, logvar), axis=1)

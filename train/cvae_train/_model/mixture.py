"""The likelihood of "discretized-logistic-mixture" with its gradient, written for speed.

It takes less time than TensorFlow's own gradient. The value and its gradient share exponentials. The components of a
pixel lie in a dimension before the pixels, so that sums over them run over whole rows.
"""

from collections.abc import Callable

import tensorflow as tf

from .._config import COMPONENTS

_HALF_LEVEL = 1.0 / 510.0


def mixture_log_likelihood(x: tf.Tensor, output: tf.Tensor, log_scales: tuple[float, float]) -> tf.Tensor:
    """log p(x|z) of images under a mixture of discretized logistic distributions in each pixel and channel: (B,).

    Args:
        x: (B, H, W, C), levels / 255.
        output: the decoder's output (B, H, W, 3CK): locations, log scales, and logits of the components. Only its
            gradient is defined.
        log_scales: bounds of the log scales; outside of them, their gradient is 0.
    """
    height, width, channels = x.shape[1:]

    @tf.custom_gradient
    def of_output(output: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        shape = [3, channels, COMPONENTS, -1]
        rows = tf.transpose(tf.reshape(output, [-1, 3 * channels * COMPONENTS]))
        location, log_scale, logits = tf.unstack(tf.reshape(rows, shape))
        levels = tf.reshape(tf.transpose(tf.reshape(x, [-1, channels])), [channels, 1, -1])
        component = _Component(levels, location, log_scale, log_scales)
        best = tf.reduce_max(logits, axis=1, keepdims=True)
        weights = tf.exp(logits - best)
        weight = tf.reduce_sum(weights, axis=1, keepdims=True)
        log_p = component.log_p + logits
        largest = tf.reduce_max(log_p, axis=1, keepdims=True)
        parts = tf.exp(log_p - largest)
        part = tf.reduce_sum(parts, axis=1, keepdims=True)
        log_sum = largest + tf.math.log(part) - best - tf.math.log(weight)
        pixels = height * width
        of_images = tf.reduce_sum(tf.reduce_sum(tf.reshape(log_sum, [channels, -1, pixels]), axis=2), axis=0)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            upstream = tf.reshape(tf.repeat(upstream, pixels), [1, 1, -1])
            share = parts * (upstream / part)
            of_location, of_log_scale = component.gradients(share)
            of_logits = share - weights * (upstream / weight)
            gradients = tf.reshape(tf.stack([of_location, of_log_scale, of_logits]), [3 * channels * COMPONENTS, -1])
            return tf.reshape(tf.transpose(gradients), tf.shape(output))

        return of_images, gradient

    return of_output(output)


class _Component:
    """Log probabilities of levels under single logistic distributions, (C, K, pixels).

    With a and b, the ends of the level's interval in units of the scale s, log p = log(sigmoid(b) - sigmoid(a)) =
    log(1 - exp(a - b)) - softplus(a) - softplus(-b). Level 0 has no lower end, and level 1 no upper one.
    """

    def __init__(
        self, levels: tf.Tensor, location: tf.Tensor, log_scale: tf.Tensor, log_scales: tuple[float, float]
    ) -> None:
        low, high = log_scales
        self._inside = tf.cast((log_scale >= low) & (log_scale <= high), location.dtype)
        self._per_scale = tf.exp(-tf.clip_by_value(log_scale, low, high))
        self._center = (levels - location) * self._per_scale
        self._half = self._per_scale * _HALF_LEVEL
        self._has_low = tf.cast(levels != 0.0, location.dtype)
        self._has_high = tf.cast(levels != 1.0, location.dtype)
        self._a, self._b = self._center - self._half, self._center + self._half
        self._exp_a, self._exp_b = tf.exp(-tf.abs(self._a)), tf.exp(-tf.abs(self._b))
        above = (tf.nn.relu(self._a) + tf.math.log1p(self._exp_a)) * self._has_low
        below = (tf.nn.relu(-self._b) + tf.math.log1p(self._exp_b)) * self._has_high
        self._width = tf.math.expm1(-2.0 * self._half)  # -(1 - exp(a - b))
        self._both = self._has_low * self._has_high
        self.log_p = self._both * tf.math.log(-self._width) - above - below

    def gradients(self, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients for the locations and the log scales."""
        of_a, of_b = 1.0 / (1.0 + self._exp_a), 1.0 / (1.0 + self._exp_b)
        of_a = tf.where(self._a > 0.0, of_a, self._exp_a * of_a) * self._has_low  # sigmoid(a)
        of_b = tf.where(self._b < 0.0, of_b, self._exp_b * of_b) * self._has_high  # sigmoid(-b)
        of_center = (of_b - of_a) * upstream
        of_half = (of_a + of_b - self._both * (2.0 + 2.0 / self._width)) * upstream
        return -of_center * self._per_scale, -(of_center * self._center + of_half * self._half) * self._inside

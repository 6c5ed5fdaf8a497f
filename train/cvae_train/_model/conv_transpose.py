"""Transposed convolutions of the decoder, with variants that train faster on a CPU.

The variants compute the same sums and gradients as the plain layer, with other TensorFlow operators. The slow operators
were measured on TensorFlow 2.21 with oneDNN, on one thread, with 50 images and the default model:

- A last layer of one channel is padded to a register of 16 channels. The variant computes nine 1x1 convolutions, one
  per tap, and a fixed convolution that shifts and adds their results. It is faster in both directions. The filter's
  gradient is a matrix product, which is faster than the convolution's own gradient operator.
- In bfloat16, bias, ReLU and the bias's gradient run element by element, with conversions to float32 and back.
  TensorFlow fuses bias and ReLU with a preceding convolution, which avoids these costs. The variant therefore adds an
  identity convolution before them. The bias's gradient is a product with ones, summed in float32: the plain operator
  sums over the pixels of an image in bfloat16 and loses most of the precision.
"""

import keras
import numpy as np
import tensorflow as tf


class Transposed(keras.layers.Conv2DTranspose):
    """A transposed convolution with "same" padding and no dilation.

    Attributes:
        for_cpu: use the variants where they are faster. For training only; exported graphs use the plain layer.
    """

    for_cpu = False

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Convert (B, H, W, F) to (B, strides * H, strides * W, filters)."""
        if not self.for_cpu:
            return super().call(x)
        kernel, bias = (tf.cast(variable, x.dtype) for variable in (self.kernel, self.bias))
        if self.filters == 1 and self.strides == (1, 1):
            return _shifted(_products(x, _by_tap(kernel)), kernel.shape) + bias
        if x.dtype == tf.bfloat16 and self.activation is keras.activations.relu:
            shape = self.compute_output_shape(x.shape)
            output = tf.nn.conv2d_transpose(x, kernel, [tf.shape(x)[0], *shape[1:]], self.strides, "SAME")
            return _bias_relu(tf.ensure_shape(output, shape), bias)
        return super().call(x)


def _by_tap(kernel: tf.Tensor) -> tf.Tensor:
    """Reshape a kernel (H, W, 1, F) to the matrix (F, H * W)."""
    return tf.transpose(tf.reshape(kernel, [-1, kernel.shape[-1]]))


@tf.custom_gradient
def _products(x: tf.Tensor, matrix: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Multiply every pixel of (B, H, W, F) by the matrix (F, T): (B, H, W, T)."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features, taps = matrix.shape
        for_x = tf.nn.conv2d(upstream, tf.transpose(matrix)[tf.newaxis, tf.newaxis], 1, "SAME")
        pixels = tf.reshape(x, [-1, features])
        return for_x, tf.matmul(pixels, tf.reshape(upstream, [-1, taps]), transpose_a=True)

    return tf.nn.conv2d(x, matrix[tf.newaxis, tf.newaxis], 1, "SAME"), gradient


def _shifted(products: tf.Tensor, kernel: tf.TensorShape) -> tf.Tensor:
    """Shift the products (B, H, W, T) of a stride 1 kernel's taps to their output pixels, and add them."""
    height, width = kernel[:2]
    taps = height * width
    # The taps of a transposed convolution are mirrored.
    shifts = np.eye(taps).reshape(height, width, taps, 1)[::-1, ::-1]
    return tf.nn.conv2d(products, tf.constant(shifts, products.dtype), 1, "SAME")


@tf.custom_gradient
def _bias_relu(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Compute max(x + bias, 0) for x of shape (B, H, W, F)."""
    features = x.shape[-1]
    identity = tf.eye(features, dtype=x.dtype)[tf.newaxis, tf.newaxis]
    output = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, identity, 1, "SAME"), bias))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for_x = tf.raw_ops.ReluGrad(gradients=upstream, features=output)
        pixels = tf.reshape(for_x, [-1, features])
        return for_x, tf.matmul(tf.ones([1, tf.shape(pixels)[0]], x.dtype), pixels)[0]

    return output, gradient

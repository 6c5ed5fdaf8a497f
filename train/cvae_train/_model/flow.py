"""A learned prior: RealNVP (Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017) on latents.

The flow maps noise e of N(0, I) to latents z. Each coupling rotates its input by a fixed matrix, halves it, and scales
and shifts the second half by functions of the first. Therefore both directions and the determinant are exact:

    log p(z) = log N(e; 0, I) - sum of the log scales.

The last layers start at zero. The prior is then N(0, I), because rotations do not change it. Xu et al. ("On the
necessity and effectiveness of learning the prior of variational auto-encoder", 2019) train a prior with the VAE.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import prior_latents

from .layers import FLOAT32, Seeds, glorot

COUPLINGS = 8
UNITS = 128  # of both hidden layers of a coupling
LOG_SCALE_BOUND = 2.0  # of a coupling


class Flow(keras.layers.Layer):
    """An invertible map of noise to latents, (B, L) each.

    Args:
        latent_dim: L, at least 2.
        seeds: of the initial weights.
        label_inputs: length of the encoded labels that the couplings take, D; 0 for none.
    """

    def __init__(self, latent_dim: int, seeds: Seeds, label_inputs: int = 0) -> None:
        super().__init__(name="prior", dtype=FLOAT32)
        self._first = latent_dim // 2
        rest = latent_dim - self._first
        self._rotations = [tf.constant(rotation(latent_dim, n), tf.float32) for n in range(COUPLINGS)]
        self.layers = []
        with keras.name_scope("prior"):
            for n in range(1, COUPLINGS + 1):
                sizes = {
                    "hidden_1": (self._first + label_inputs, UNITS),
                    "hidden_2": (UNITS, UNITS),
                    "out": (UNITS, 2 * rest),
                }
                for name, (inputs, units) in sizes.items():
                    last = name == "out"
                    layer = keras.layers.Dense(
                        units,
                        activation=None if last else "relu",
                        kernel_initializer="zeros" if last else glorot(seeds),
                        name=f"coupling_{n}_{name}",
                        dtype=FLOAT32,
                    )
                    layer.build((None, inputs))
                    self.layers.append(layer)
        self.built = True

    def call(self, noise: tf.Tensor, label: tf.Tensor | None = None) -> tf.Tensor:
        """Map noise (B, L), with encoded labels (B, D) if there are any, to latents (B, L)."""
        z = noise
        for n in range(COUPLINGS):
            first, second = self._halves(tf.matmul(z, self._rotations[n]))
            log_scale, shift = self._coupling(n, first, label)
            z = tf.concat([first, second * tf.exp(log_scale) + shift], axis=1)
        return z

    def inverse(self, z: tf.Tensor, label: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Map latents (B, L), with encoded labels (B, D) if any, to their noise (B, L) and to log p(z), (B,)."""
        log_scales = tf.zeros([])
        for n in reversed(range(COUPLINGS)):
            first, second = self._halves(z)
            log_scale, shift = self._coupling(n, first, label)
            second = (second - shift) * tf.exp(-log_scale)
            z = tf.matmul(tf.concat([first, second], axis=1), self._rotations[n], transpose_b=True)
            log_scales += tf.reduce_sum(log_scale, axis=1)
        constant = 0.5 * z.shape[1] * math.log(2.0 * math.pi)
        return z, -0.5 * tf.reduce_sum(z * z, axis=1) - constant - log_scales

    def _halves(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first, second = tf.split(z, [self._first, z.shape[1] - self._first], axis=1)
        return first, second

    def _coupling(self, n: int, first: tf.Tensor, label: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Log scales and shifts of the second half."""
        x = first if label is None else tf.concat([first, label], axis=1)
        for layer in self.layers[3 * n : 3 * n + 3]:
            x = layer(x)
        log_scale, shift = tf.split(x, 2, axis=1)
        return LOG_SCALE_BOUND * tf.tanh(log_scale / LOG_SCALE_BOUND), shift


def rotation(size: int, number: int) -> NDArray[np.float64]:
    """Return a fixed orthogonal matrix, float64 (size, size): a product of Householder reflections of random vectors.

    The weights of a run belong to its rotations, so these depend neither on the versions of libraries nor on the
    machine.
    """
    matrix = np.eye(size)
    for vector in prior_latents(number, 0, size, size).astype(np.float64):
        unit = vector / math.sqrt(float(np.sum(vector * vector)))
        matrix -= 2.0 * np.sum(matrix * unit, axis=1)[:, np.newaxis] * unit
    return matrix

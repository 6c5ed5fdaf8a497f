"""The convolutional VAE of TensorFlow's 2018 notebook, generalized in image size, depth and width."""

import keras
import numpy as np
import tensorflow as tf

from .._config import COMPONENTS, KERNEL, STRIDE, ModelConfig
from .conv_transpose import Transposed
from .losses import pixel_parameters

# Set for every layer, because the user or the calling program may have changed Keras's defaults.
_FLOAT32 = "float32"
_IMAGES = {"data_format": "channels_last", "dtype": _FLOAT32}

# Decoder outputs per pixel and channel.
_OUTPUTS = {"bernoulli": 1, "discretized-logistic": 2, "discretized-logistic-mixture": 3 * COMPONENTS}
# Initial log scale of mixture components: a standard deviation of 0.16, half of the distance between components.
INITIAL_LOG_SCALE = -2.4


class _Flatten(keras.layers.Layer):
    """Flatten (B, ...) to (B, size); Keras's own layer adds eight operators to exported graphs to compute the shape."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(name=name, dtype=_FLOAT32)
        self._size = size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, self._size])


def _output_bias(config: ModelConfig) -> keras.initializers.Initializer:
    """Initial bias of the last layer; a mixture's components start evenly spaced over the range and equally likely."""
    if config.likelihood != "discretized-logistic-mixture":
        return keras.initializers.Zeros()
    channels = config.image_shape[2]
    locations = np.tile(np.linspace(0.0, 1.0, COMPONENTS), channels)
    log_scales = np.full(len(locations), INITIAL_LOG_SCALE)
    return keras.initializers.Constant(np.concatenate([locations, log_scales, np.zeros(len(locations))]))


class CVAE(keras.Model):
    """A convolutional variational autoencoder (Kingma and Welling, 2014).

    Args:
        config: shape of the network; default: the notebook's.
        seed: unsigned 64-bit integer that the initial weights derive from.

    Attributes:
        encoder: maps (B, H, W, C) in [0, 1] to (B, 2L), the concatenated mean and logvar.
        decoder: maps (B, L) to logits (B, H, W, C). With a likelihood of 256 levels, it has n outputs per pixel and
            channel, (B, H, W, nC): first the locations, then the unbounded scales, then the logits of a mixture.
    """

    def __init__(self, config: ModelConfig | None = None, seed: int = 0) -> None:
        super().__init__(name="cvae", dtype=_FLOAT32)
        self.config = config = config or ModelConfig()
        seeds = iter(np.random.SeedSequence(seed).generate_state(2 * len(config.filters) + 3) >> 1)

        def glorot() -> keras.initializers.Initializer:
            return keras.initializers.GlorotUniform(seed=int(next(seeds)))

        convolutions = [
            keras.layers.Conv2D(
                filters,
                KERNEL,
                STRIDE,
                "valid",
                activation="relu",
                kernel_initializer=glorot(),
                name=f"conv_{n}",
                **_IMAGES,
            )
            for n, filters in enumerate(config.filters, 1)
        ]
        self.encoder = keras.Sequential(
            [
                keras.Input(config.image_shape, dtype=_FLOAT32),
                *convolutions,
                _Flatten(config.encoded_size, name="flatten"),
                keras.layers.Dense(2 * config.latent_dim, kernel_initializer=glorot(), name="dense", dtype=_FLOAT32),
            ],
            name="encoder",
        )
        base = (*config.base_shape, config.filters[0])
        transposed = [
            Transposed(
                filters,
                KERNEL,
                STRIDE,
                "same",
                activation="relu",
                kernel_initializer=glorot(),
                name=f"conv_transpose_{n}",
                **_IMAGES,
            )
            for n, filters in enumerate(reversed(config.filters), 1)
        ]
        self.decoder = keras.Sequential(
            [
                keras.Input((config.latent_dim,), dtype=_FLOAT32),
                keras.layers.Dense(
                    int(np.prod(base)), activation="relu", kernel_initializer=glorot(), name="dense", dtype=_FLOAT32
                ),
                keras.layers.Reshape(base, dtype=_FLOAT32),
                *transposed,
                Transposed(
                    _OUTPUTS[config.likelihood] * config.image_shape[2],
                    KERNEL,
                    1,
                    "same",
                    kernel_initializer=glorot(),
                    bias_initializer=_output_bias(config),
                    name="conv_transpose_out",
                    **_IMAGES,
                ),
            ],
            name="decoder",
        )
        for network in (self.encoder, self.decoder):  # Sequential has no dtype argument
            network.dtype_policy = _FLOAT32
        self.built = True  # encoder and decoder are built: their inputs have shapes

    def encode(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Encode images (B, H, W, C) in [0, 1] to mean and logvar of q(z|x), each (B, L)."""
        mean, logvar = tf.split(self.encoder(x), 2, axis=1)
        return mean, logvar

    def reparameterize(self, mean: tf.Tensor, logvar: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Compute z = mean + exp(logvar / 2) * noise, (B, L); the default noise is drawn from N(0, I)."""
        if noise is None:
            noise = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(logvar * 0.5) * noise

    def decode(self, z: tf.Tensor, apply_sigmoid: bool = False) -> tf.Tensor:
        """Decode latents (B, L) to the decoder's output, or to expected images (B, H, W, C) with ``apply_sigmoid``."""
        return self.pixel_parameters(z)["probs"] if apply_sigmoid else self.decoder(z)

    def pixel_parameters(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        """Decode latents (B, L) to the parameters of p(x|z), by the names of a bundle's outputs."""
        return pixel_parameters(self.decoder(z), self.config.likelihood)

    def sample(self, eps: tf.Tensor | None = None) -> tf.Tensor:
        """Decode latents ``eps`` (B, L), default: 100 draws from the prior, to expected images (B, H, W, C)."""
        if eps is None:
            eps = tf.random.normal((100, self.config.latent_dim))
        return self.decode(eps, apply_sigmoid=True)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Reconstruct images from the mean of q(z|x); returns the decoder's output."""
        return self.decode(self.encode(x)[0])

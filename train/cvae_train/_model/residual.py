"""A residual network for pictures (He et al., "Identity mappings in deep residual networks", 2016).

Blocks work at half of the image's side and below: a wide layer at full size would take most of the time. Each block
adds two 3x3 convolutions to its input, the second of which starts at zero (Zhang et al., "Fixup initialization", 2019),
so that the network trains without normalization. Images whose sides are no multiple of the smallest map's are padded
with zeros inside the encoder, and the decoder crops its output.
"""

import math

import keras
import tensorflow as tf

from .._config import KERNEL, STRIDE, ModelConfig
from .conv_transpose import Transposed
from .layers import FLOAT32, IMAGES, Flatten, Seeds, glorot, output_bias, outputs

BLOCKS = 1  # at each resolution
# Of q(z|x), a standard deviation of 0.14: the decoder sees the latents, instead of noise, from the first step on.
INITIAL_LOGVAR = -4.0
_EDGE = 2 * STRIDE  # side of the kernels of the first and last layer: every pixel is in as many windows as others


class Block(keras.layers.Layer):
    """A residual block: x + conv(relu(conv(relu(x)))), of shape (B, H, W, filters).

    Attributes:
        layers: both convolutions.
    """

    def __init__(self, filters: int, seeds: Seeds, name: str) -> None:
        super().__init__(name=name, dtype=FLOAT32)
        self.layers = [
            keras.layers.Conv2D(
                filters, KERNEL, 1, "same", activation="relu", kernel_initializer=glorot(seeds), name="conv_1", **IMAGES
            ),
            keras.layers.Conv2D(filters, KERNEL, 1, "same", kernel_initializer="zeros", name="conv_2", **IMAGES),
        ]

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Build both convolutions, which take maps of the same shape."""
        for convolution in self.layers:
            convolution.build(shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        first, second = self.layers
        return x + second(first(tf.nn.relu(x)))


def residual(config: ModelConfig, seeds: Seeds) -> tuple[keras.Sequential, keras.Sequential]:
    """Build encoder and decoder; see `CVAE` for their inputs and outputs."""
    return _encoder(config, seeds), _decoder(config, seeds)


def _encoder(config: ModelConfig, seeds: Seeds) -> keras.Sequential:
    layers = [keras.Input(config.image_shape, dtype=FLOAT32)]
    if any(padding := config.padding):
        layers.append(keras.layers.ZeroPadding2D(_both_sides(padding), name="pad", **IMAGES))
    for n, filters in enumerate(config.filters, 1):
        kernel = _EDGE if n == 1 else STRIDE
        layers.append(
            keras.layers.Conv2D(
                filters, kernel, STRIDE, "same", kernel_initializer=glorot(seeds), name=f"down_{n}", **IMAGES
            )
        )
        layers += _blocks(filters, n, seeds)
    bias = [0.0] * config.latent_dim + [INITIAL_LOGVAR] * config.latent_dim
    return keras.Sequential(
        [
            *layers,
            keras.layers.Activation("relu", name="activation", dtype=FLOAT32),
            Flatten(math.prod(config.base_shape) * config.filters[-1], name="flatten"),
            keras.layers.Dense(
                2 * config.latent_dim,
                kernel_initializer=glorot(seeds),
                bias_initializer=keras.initializers.Constant(bias),
                name="dense",
                dtype=FLOAT32,
            ),
        ],
        name="encoder",
    )


def _decoder(config: ModelConfig, seeds: Seeds) -> keras.Sequential:
    base = (*config.base_shape, config.filters[-1])
    layers = [
        keras.Input((config.latent_dim,), dtype=FLOAT32),
        keras.layers.Dense(math.prod(base), kernel_initializer=glorot(seeds), name="dense", dtype=FLOAT32),
        keras.layers.Reshape(base, dtype=FLOAT32),
    ]
    for n, filters in reversed(list(enumerate(config.filters, 1))):
        if n < len(config.filters):
            layers.append(
                Transposed(filters, STRIDE, STRIDE, "same", kernel_initializer=glorot(seeds), name=f"up_{n}", **IMAGES)
            )
        layers += _blocks(filters, n, seeds)
    layers += [
        keras.layers.Activation("relu", name="activation", dtype=FLOAT32),
        Transposed(
            outputs(config),
            _EDGE,
            STRIDE,
            "same",
            kernel_initializer=glorot(seeds),
            bias_initializer=output_bias(config),
            name="out",
            **IMAGES,
        ),
    ]
    if any(padding := config.padding):
        layers.append(keras.layers.Cropping2D(_both_sides(padding), name="crop", **IMAGES))
    return keras.Sequential(layers, name="decoder")


def _blocks(filters: int, resolution: int, seeds: Seeds) -> list[Block]:
    return [Block(filters, seeds, name=f"block_{resolution}_{number}") for number in range(1, BLOCKS + 1)]


def _both_sides(padding: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Divide the rows and columns to add among both sides."""
    return tuple((size // 2, size - size // 2) for size in padding)

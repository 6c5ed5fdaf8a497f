"""A residual network for pictures (He et al., "Identity mappings in deep residual networks", 2016).

Blocks work at half of the image's side and below: a wide layer at full size would take most of the time. Each block
adds two 3x3 convolutions to its input, the second of which starts at zero (Zhang et al., "Fixup initialization", 2019),
so that the network trains without normalization.

Every map of the decoder also adds to a sketch of the image. The sketch is enlarged from map to map and added to the
output (Karras et al., "Analyzing and improving the image quality of StyleGAN", 2020). So the network learns colours and
places before details.

Images whose sides are no multiple of the smallest map's are padded with zeros inside the encoder, and the decoder crops
its output.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .._config import COMPONENTS, KERNEL, STRIDE, ModelConfig
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


def residual(config: ModelConfig, seeds: Seeds) -> tuple[keras.Model, keras.Model]:
    """Build encoder and decoder; see `CVAE` for their inputs and outputs."""
    encoder = _encoder(config, seeds)
    with keras.name_scope("decoder"):  # for the names of its weights; a Sequential has one of its own
        return encoder, _decoder(config, seeds)


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


def _decoder(config: ModelConfig, seeds: Seeds) -> keras.Model:
    z = keras.Input((config.latent_dim + config.label_inputs,), dtype=FLOAT32)
    base = (*config.base_shape, config.filters[-1])
    x = keras.layers.Dense(math.prod(base), kernel_initializer=glorot(seeds), name="dense", dtype=FLOAT32)(z)
    x = keras.layers.Reshape(base, name="reshape", dtype=FLOAT32)(x)
    sketch = None
    for n, filters in reversed(list(enumerate(config.filters, 1))):
        if n < len(config.filters):
            x = Transposed(filters, STRIDE, STRIDE, "same", kernel_initializer=glorot(seeds), name=f"up_{n}", **IMAGES)(
                x
            )
        for block in _blocks(filters, n, seeds):
            x = block(x)
        sketch = _add_to_sketch(sketch, x, config.image_shape[2], n)
    x = keras.layers.Activation("relu", name="activation", dtype=FLOAT32)(x)
    x = Transposed(
        outputs(config),
        _EDGE,
        STRIDE,
        "same",
        kernel_initializer=glorot(seeds),
        bias_initializer=output_bias(config),
        name="out",
        **IMAGES,
    )(x)
    x = keras.layers.Add(name="both", dtype=FLOAT32)([x, _spread(_enlarged(sketch, 0), config)])
    if any(padding := config.padding):
        x = keras.layers.Cropping2D(_both_sides(padding), name="crop", **IMAGES)(x)
    return keras.Model(z, x, name="decoder")


def _add_to_sketch(sketch: Any, x: Any, channels: int, resolution: int) -> Any:
    """Add what a map shows of the image, (B, h, w, C), to the enlarged sketch of the next smaller map."""
    part = keras.layers.Conv2D(channels, 1, kernel_initializer="zeros", name=f"sketch_{resolution}", **IMAGES)(
        keras.layers.Activation("relu", name=f"activation_{resolution}", dtype=FLOAT32)(x)
    )
    if sketch is None:
        return part
    return keras.layers.Add(name=f"add_{resolution}", dtype=FLOAT32)([_enlarged(sketch, resolution), part])


def _enlarged(sketch: Any, resolution: int) -> Any:
    return keras.layers.UpSampling2D(STRIDE, interpolation="bilinear", name=f"enlarge_{resolution}", **IMAGES)(sketch)


def _spread(sketch: Any, config: ModelConfig) -> Any:
    """Turn a sketch (B, H, W, C) into an addition to the decoder's outputs: at first, to each location or logit."""
    channels = config.image_shape[2]
    count = COMPONENTS if config.likelihood == "discretized-logistic-mixture" else 1
    kernel = np.zeros((1, 1, channels, outputs(config)), np.float32)
    for channel in range(channels):
        kernel[0, 0, channel, channel * count : (channel + 1) * count] = 1.0
    return keras.layers.Conv2D(
        outputs(config),
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(kernel),
        name="spread",
        **IMAGES,
    )(sketch)


def _blocks(filters: int, resolution: int, seeds: Seeds) -> list[Block]:
    return [Block(filters, seeds, name=f"block_{resolution}_{number}") for number in range(1, BLOCKS + 1)]


def _both_sides(padding: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Divide the rows and columns to add among both sides."""
    return tuple((size // 2, size - size // 2) for size in padding)

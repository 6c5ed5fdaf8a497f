"""Layers, initial values and settings that the networks share."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from .._config import COMPONENTS, ModelConfig

# Set for every layer, because the user or the calling program may have changed Keras's defaults.
FLOAT32 = "float32"
IMAGES = {"data_format": "channels_last", "dtype": FLOAT32}

# Initial log scale of mixture components: a standard deviation of 0.16, half of the distance between components.
INITIAL_LOG_SCALE = -2.4

# Decoder outputs per pixel and channel.
_OUTPUTS = {"bernoulli": 1, "discretized-logistic": 2, "discretized-logistic-mixture": 3 * COMPONENTS}

Seeds = Iterator[int]


class Flatten(keras.layers.Layer):
    """Flatten (B, ...) to (B, size); Keras's own layer adds eight operators to exported graphs to compute the shape."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(name=name, dtype=FLOAT32)
        self._size = size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, self._size])


def every_layer(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a network, its layers, and the layers of its blocks."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from every_layer(inner)


def glorot(seeds: Seeds) -> keras.initializers.Initializer:
    """Initial weights from the next seed (Glorot and Bengio, 2010)."""
    return keras.initializers.GlorotUniform(seed=next(seeds))


def outputs(config: ModelConfig) -> int:
    """Channels of the decoder's output."""
    return _OUTPUTS[config.likelihood] * config.image_shape[2]


def output_bias(config: ModelConfig, pixels: int = 1) -> keras.initializers.Initializer:
    """Initial bias of the last layer; a mixture's components start evenly spaced over the range and equally likely.

    A layer that gives each pixel outputs of its own has ``pixels`` times as many biases.
    """
    if config.likelihood != "discretized-logistic-mixture":
        return keras.initializers.Zeros()
    channels = config.image_shape[2]
    locations = np.tile(np.linspace(0.0, 1.0, COMPONENTS), channels)
    log_scales = np.full(len(locations), INITIAL_LOG_SCALE)
    return keras.initializers.Constant(
        np.tile(np.concatenate([locations, log_scales, np.zeros(len(locations))]), pixels)
    )

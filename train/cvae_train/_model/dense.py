"""The dense network of Burda, Grosse and Salakhutdinov ("Importance weighted autoencoders", 2016): tanh layers."""

import math

import keras

from .._config import ModelConfig
from .layers import FLOAT32, Flatten, Seeds, glorot, output_bias, outputs


def dense(config: ModelConfig, seeds: Seeds) -> tuple[keras.Sequential, keras.Sequential]:
    """Build encoder and decoder; see `CVAE` for their inputs and outputs."""
    height, width, _ = config.image_shape
    encoder = keras.Sequential(
        [
            keras.Input(config.image_shape, dtype=FLOAT32),
            Flatten(math.prod(config.image_shape), name="flatten"),
            *_hidden(config.filters, seeds),
            keras.layers.Dense(2 * config.latent_dim, kernel_initializer=glorot(seeds), name="dense", dtype=FLOAT32),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((config.latent_dim + config.label_inputs,), dtype=FLOAT32),
            *_hidden(config.filters[::-1], seeds),
            keras.layers.Dense(
                height * width * outputs(config),
                kernel_initializer=glorot(seeds),
                bias_initializer=output_bias(config, height * width),
                name="out",
                dtype=FLOAT32,
            ),
            keras.layers.Reshape((height, width, outputs(config)), name="reshape", dtype=FLOAT32),
        ],
        name="decoder",
    )
    return encoder, decoder


def _hidden(units: tuple[int, ...], seeds: Seeds) -> list[keras.layers.Layer]:
    return [
        keras.layers.Dense(
            count, activation="tanh", kernel_initializer=glorot(seeds), name=f"hidden_{n}", dtype=FLOAT32
        )
        for n, count in enumerate(units, 1)
    ]

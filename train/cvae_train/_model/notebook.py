"""The convolutional network of TensorFlow's 2018 notebook, generalized in image size, depth and width."""

import keras
import numpy as np

from .._config import KERNEL, STRIDE, ModelConfig
from .conv_transpose import Transposed
from .layers import FLOAT32, IMAGES, Flatten, Seeds, glorot, output_bias, outputs


def notebook(config: ModelConfig, seeds: Seeds) -> tuple[keras.Sequential, keras.Sequential]:
    """Build encoder and decoder; see `CVAE` for their inputs and outputs."""
    convolutions = [
        keras.layers.Conv2D(
            filters,
            KERNEL,
            STRIDE,
            "valid",
            activation="relu",
            kernel_initializer=glorot(seeds),
            name=f"conv_{n}",
            **IMAGES,
        )
        for n, filters in enumerate(config.filters, 1)
    ]
    encoder = keras.Sequential(
        [
            keras.Input(config.image_shape, dtype=FLOAT32),
            *convolutions,
            Flatten(config.encoded_size, name="flatten"),
            keras.layers.Dense(2 * config.latent_dim, kernel_initializer=glorot(seeds), name="dense", dtype=FLOAT32),
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
            kernel_initializer=glorot(seeds),
            name=f"conv_transpose_{n}",
            **IMAGES,
        )
        for n, filters in enumerate(reversed(config.filters), 1)
    ]
    dense = int(np.prod(base))
    decoder = keras.Sequential(
        [
            keras.Input((config.latent_dim + config.label_inputs,), dtype=FLOAT32),
            keras.layers.Dense(dense, activation="relu", kernel_initializer=glorot(seeds), name="dense", dtype=FLOAT32),
            keras.layers.Reshape(base, name="reshape", dtype=FLOAT32),
            *transposed,
            Transposed(
                outputs(config),
                KERNEL,
                1,
                "same",
                kernel_initializer=glorot(seeds),
                bias_initializer=output_bias(config),
                name="conv_transpose_out",
                **IMAGES,
            ),
        ],
        name="decoder",
    )
    return encoder, decoder

"""Read the weights of the notebook's network for other frameworks, without importing TensorFlow."""

import dataclasses
import re
from pathlib import Path

import numpy as np

import cvae_train
from benchmarks._notebook import RUN


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's kernel as in Keras, (H, W, in, out), or (H, W, out, in) of a transposed convolution, and its bias."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass(frozen=True)
class Network:
    """The layers in order; dense layers are separate.

    Attributes:
        up: transposed convolutions of stride 2, ``last`` the one of stride 1.
        base: (H, W, C) of the output of the decoder's dense layer.
        binarize_at: the first pixel value that counts as 1.
    """

    down: list[Layer]
    code: Layer
    dense: Layer
    up: list[Layer]
    last: Layer
    base: tuple[int, int, int]
    binarize_at: int


def read_network(run: Path = RUN) -> Network:
    """Read a finished run's weights."""
    with np.load(cvae_train.RunFolder(run).weights) as weights:
        arrays = dict(weights)
    config = cvae_train.RunFolder(run).read_config()[0]
    assert config.binarize_at is not None

    def layer(name: str) -> Layer:
        return Layer(arrays[f"{name}/kernel"], arrays[f"{name}/bias"])

    def numbered(name: str) -> list[Layer]:
        found = sorted(key for key in arrays if re.fullmatch(rf"{name}_\d+/kernel", key))
        return [layer(key.removesuffix("/kernel")) for key in found]

    return Network(
        numbered("encoder/conv"),
        layer("encoder/dense"),
        layer("decoder/dense"),
        numbered("decoder/conv_transpose"),
        layer("decoder/conv_transpose_out"),
        (*config.model.base_shape, config.model.filters[0]),
        config.binarize_at,
    )

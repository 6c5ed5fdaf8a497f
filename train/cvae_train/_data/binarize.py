"""Dynamic binarization: each pixel is drawn, with its grey level as the probability of white.

Salakhutdinov and Murray ("On the quantitative analysis of deep belief networks", 2008) introduced it for MNIST. The
random numbers are those of docs/formats.md, so every run tests on the same draws.
"""

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cvae_runtime.elbo import EVALUATION_SEED
from cvae_runtime.images import spans
from cvae_runtime.random import derived_key, threefry2x32

_PER_BLOCK = 4  # numbers of 16 bits, from the two words of a block


class Tag(IntEnum):
    """First number of the key of a stream; see `derived_key`. For training images, the epoch is the second."""

    TRAINING = 1
    VALIDATION = 2
    TEST = 3
    MUTATION = 4


def words_of(
    numbers: NDArray[np.integer], blocks: int, key: tuple[int, int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Draw the words of images.

    Args:
        numbers: index of each image in its set, (N,).
        blocks: pairs of words that an image takes.
        key: of the random numbers.

    Returns:
        The two words of each block, uint32 (N * blocks,) each.
    """
    places = np.arange(blocks, dtype=np.uint64)
    counters = (numbers[:, np.newaxis].astype(np.uint64) * np.uint64(blocks) + places).ravel()
    return threefry2x32(counters.astype(np.uint32), (counters >> np.uint64(32)).astype(np.uint32), key)


def is_binary(images: NDArray[np.uint8]) -> bool:
    """Whether all pixels are 0 or 255."""
    parts = (images[span] for span in spans(len(images), images[0].size if len(images) else 1))
    return all(bool(((part == 0) | (part == 255)).all()) for part in parts)


def draw_binary(
    images: NDArray[np.uint8], key: tuple[int, int] | None = None, numbers: NDArray[np.integer] | None = None
) -> NDArray[np.uint8]:
    """Draw black and white pixels with the grey levels as probabilities of white.

    Args:
        images: uint8 (N, H, W, C).
        key: of the random numbers. Default: the key of test images, which is the same for all runs.
        numbers: index of each image in its set, (N,). Default: 0, 1, ...

    Returns:
        0 or 255, uint8 (N, H, W, C).

    Examples:
        >>> cvae_train.draw_binary(np.full((1, 2, 2, 1), 128, np.uint8)).ravel().tolist()
        [0, 0, 255, 255]
    """
    key = derived_key(EVALUATION_SEED, Tag.TEST) if key is None else key
    numbers = np.arange(len(images)) if numbers is None else numbers
    size = math.prod(images.shape[1:])
    blocks = -(-size // _PER_BLOCK)
    thresholds = (np.arange(256, dtype=np.int32) * 65536 + 127) // 255  # the numbers below make a pixel white
    drawn = np.empty_like(images, subok=False)
    for span in spans(len(images), 64 * size):
        levels = images[span].reshape(-1, size)
        a, b = words_of(numbers[span], blocks, key)
        halves = np.stack([a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16], axis=1).reshape(len(levels), -1)
        white = halves[:, :size] < thresholds[levels]
        drawn[span] = white.reshape(images[span].shape) * np.uint8(255)
    return drawn

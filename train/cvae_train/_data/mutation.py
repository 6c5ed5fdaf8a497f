"""Mutated images, on which a background model is trained.

Ren et al. ("Likelihood ratios for out-of-distribution detection", 2019) replace pixels of the training images at
random. A model of the result learns the statistics that outliers share, and little of what the images show. The ratio
of both models' likelihoods is a score. The random numbers are those of docs/formats.md.
"""

import math

import numpy as np
from numpy.typing import NDArray

from cvae_runtime.images import spans

from .binarize import words_of

_PER_BLOCK = 2  # pixels; each takes one of the two words of a block
_CHANCE_BITS = 24  # of a word decide whether its pixel changes; the other 8 are the new level


def mutate(
    images: NDArray[np.uint8],
    rate: float,
    key: tuple[int, int],
    numbers: NDArray[np.integer] | None = None,
    *,
    binary: bool = False,
) -> NDArray[np.uint8]:
    """Replace each pixel and channel with a probability by a level that is drawn uniformly.

    The new level may equal the old one.

    Args:
        images: uint8 (N, H, W, C).
        rate: the probability, from 0 to 1; it is rounded to a multiple of 2^-24.
        key: of the random numbers; see `cvae_runtime.random.derived_key`.
        numbers: index of each image in its set, (N,). Default: 0, 1, ...
        binary: draw 0 or 255, instead of one of 256 levels.

    Returns:
        uint8 (N, H, W, C).
    """
    numbers = np.arange(len(images)) if numbers is None else numbers
    size = math.prod(images.shape[1:])
    blocks = -(-size // _PER_BLOCK)
    threshold = round(rate * (1 << _CHANCE_BITS))
    mutated = np.empty_like(images, subok=False)
    for span in spans(len(images), 64 * size):
        words = np.stack(words_of(numbers[span], blocks, key), axis=1).reshape(-1, blocks * _PER_BLOCK)
        drawn = words[:, :size].reshape(images[span].shape)
        levels = (drawn >> np.uint32(_CHANCE_BITS)).astype(np.uint8)
        if binary:
            levels = np.where(levels < 128, np.uint8(0), np.uint8(255))
        changed = (drawn & np.uint32((1 << _CHANCE_BITS) - 1)) < threshold
        mutated[span] = np.where(changed, levels, images[span])
    return mutated

"""Images of the lowest ELBO or of the highest score, and pictures of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._images import caption_cells, grid_scale, image_grid


def lowest_rows(elbo: NDArray[Any], limit: int) -> NDArray[np.intp]:
    """Indices of the ``limit`` lowest values of (N,), ascending; ties keep their order."""
    return np.argsort(elbo, kind="stable")[:limit]


class LowestElbo:
    """Keep the images of the lowest ELBO, in ascending order; ties keep the order of the images.

    For alarms, the score of a detector takes the place of the ELBO, with its sign reversed.

    Args:
        limit: number of images to keep.
        shape: (H, W, C).

    Attributes:
        elbo: float64 (N,), N at most ``limit``.
        index: int64 (N,).
        images: uint8 (N, H, W, C).
    """

    def __init__(self, limit: int, shape: tuple[int, int, int]) -> None:
        self._limit = limit
        self.elbo = np.empty(0)
        self.index = np.empty(0, np.int64)
        self.images = np.empty((0, *shape), np.uint8)

    def offer(self, index: NDArray[np.int64], elbo: NDArray[Any], images: NDArray[np.uint8]) -> None:
        """Add the next images: indices (N,), ELBOs (N,) and pixels (N, H, W, C)."""
        low = lowest_rows(elbo, self._limit)
        together = np.concatenate([self.elbo, elbo[low]])
        kept = lowest_rows(together, self._limit)
        self.elbo = together[kept]
        self.index = np.concatenate([self.index, index[low]])[kept]
        self.images = np.concatenate([self.images, images[low]])[kept]


def draw_alarms(images: NDArray[np.uint8], heat: NDArray[np.uint8], captions: Sequence[str]) -> NDArray[np.uint8]:
    """Draw each image beside its heat map, above its caption.

    Args:
        images: uint8 (N, H, W, C).
        heat: uint8 (N, H, W, 3).
        captions: N texts.

    Returns:
        uint8 (height, width, 3).
    """
    scale = grid_scale(images.shape[1:])
    pairs = np.stack([np.broadcast_to(images, heat.shape), heat], axis=1)  # (N, 2, H, W, 3)
    cells = np.stack([image_grid(pair, columns=2, scale=scale) for pair in pairs])
    # A cell is about twice as wide as high.
    return image_grid(caption_cells(cells, captions), columns=math.ceil(math.sqrt(len(cells) / 2)))


def draw_pairs(
    originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8], captions: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw each original above its reconstruction and its caption.

    Args:
        originals, reconstructions: uint8 (N, H, W, C).
        captions: N texts.

    Returns:
        uint8 (height, width, C).
    """
    scale = grid_scale(originals.shape[1:])
    pairs = np.stack([originals, reconstructions], axis=1)  # (N, 2, H, W, C)
    cells = np.stack([image_grid(pair, columns=1, scale=scale) for pair in pairs])
    # A cell is about twice as high as wide.
    return image_grid(caption_cells(cells, captions), columns=math.ceil(math.sqrt(2 * len(cells))))

"""The images that a model explains worst, and a picture of them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._images import caption_cells, grid_scale, picture_grid


def lowest_rows(elbo: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Which of (N,) are the lowest, strangest first, as many as the limit; of equal ones the earlier."""
    return np.argsort(elbo, kind="stable")[:limit]


class LowestElbo:
    """The images of the lowest ELBO, strangest first, of all that were offered; of equal ones the earlier.

    Args:
        limit: how many are kept.
        shape: (H, W, C).

    Attributes:
        elbo: float64 (N,), N at most the limit.
        index: int64 (N,).
        images: uint8 (N, H, W, C).
    """

    def __init__(self, limit: int, shape: tuple[int, int, int]) -> None:
        self._limit = limit
        self.elbo = np.empty(0)
        self.index = np.empty(0, np.int64)
        self.images = np.empty((0, *shape), np.uint8)

    def offer(self, index: NDArray[np.int64], elbo: NDArray[np.float64], images: NDArray[np.uint8]) -> None:
        """Look at the next images, (N,), (N,) and (N, H, W, C)."""
        low = lowest_rows(elbo, self._limit)
        together = np.concatenate([self.elbo, elbo[low]])
        kept = lowest_rows(together, self._limit)
        self.elbo = together[kept]
        self.index = np.concatenate([self.index, index[low]])[kept]
        self.images = np.concatenate([self.images, images[low]])[kept]


def draw_pairs(
    originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8], captions: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw each original above its reconstruction, uint8 (N, H, W, C) each, above its caption: uint8 (H, W, C)."""
    scale = grid_scale(originals.shape[1:])
    pairs = np.stack([originals, reconstructions], axis=1)  # (N, 2, H, W, C)
    cells = np.stack([picture_grid(pair, columns=1, scale=scale) for pair in pairs])
    # A cell is about twice as high as it is wide.
    return picture_grid(caption_cells(cells, captions), columns=math.ceil(math.sqrt(2 * len(cells))))

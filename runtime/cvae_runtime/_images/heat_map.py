"""Maps of how strange each pixel is: smoothed, as boxes around regions, and as pictures."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_RED = (255.0, 0.0, 0.0)
_MOST_RED = 0.8  # so that the image stays visible
_NEIGHBOURS = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))


class Box(NamedTuple):
    """A rectangle of pixels: ``image[top:bottom, left:right]``.

    Attributes:
        top, left: the first row and column.
        bottom, right: the row and column after the last ones.

    Examples:
        >>> box = images.Box(top=2, left=3, bottom=5, right=9)
        >>> np.zeros((28, 28))[box.top : box.bottom, box.left : box.right].shape
        (3, 6)
    """

    top: int
    left: int
    bottom: int
    right: int


def smooth_maps(maps: NDArray[Any]) -> NDArray[np.float64]:
    """Average each value of maps (N, H, W) over the pixels of its 3 x 3 neighbourhood that lie in the map.

    Examples:
        >>> images.smooth_maps(np.array([[[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])).tolist()
        [[[2.25, 1.5, 0.0], [2.25, 1.5, 0.0]]]
    """
    _, height, width = maps.shape
    padded = np.pad(maps.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    inside = np.pad(np.ones((height, width)), 1)
    sums, counts = np.zeros(maps.shape), np.zeros((height, width))
    for row, column in _NEIGHBOURS:
        rows, columns = slice(1 + row, 1 + row + height), slice(1 + column, 1 + column + width)
        sums += padded[:, rows, columns]
        counts += inside[rows, columns]
    return sums / counts


def find_box(values: NDArray[np.float64], threshold: float) -> Box | None:
    """Return the box of the largest region of values (H, W) above a threshold; None if there is none.

    Pixels whose sides or corners touch belong to one region. Of regions of the same size, the one whose first pixel,
    row by row, comes first wins.

    Examples:
        >>> images.find_box(np.array([[0.0, 5.0, 0.0], [0.0, 0.0, 5.0]]), threshold=1.0)
        Box(top=0, left=1, bottom=2, right=3)
    """
    left = set(zip(*(axis.tolist() for axis in np.nonzero(values > threshold)), strict=True))
    largest: list[tuple[int, int]] = []
    for start in sorted(left):
        if start in left:
            left.remove(start)
            region = [start]
            for row, column in region:  # grows meanwhile
                touching = [pixel for down, right in _NEIGHBOURS if (pixel := (row + down, column + right)) in left]
                left.difference_update(touching)
                region += touching
            largest = max(largest, region, key=len)
    if not largest:
        return None
    rows, columns = zip(*largest, strict=True)
    return Box(min(rows), min(columns), max(rows) + 1, max(columns) + 1)


def draw_heat(
    images: NDArray[np.uint8], values: NDArray[np.float64], threshold: float, boxes: Sequence[Box | None]
) -> NDArray[np.uint8]:
    """Blend images (N, H, W, C) with red where smoothed values (N, H, W) are high, and draw the boxes.

    Returns:
        uint8 (N, H, W, 3). The weight of red is half at the threshold, and at most 0.8.
    """
    weights = np.clip(values / (2.0 * max(threshold, np.finfo(np.float64).tiny)), 0.0, _MOST_RED)[..., np.newaxis]
    colours = np.broadcast_to(images, (*images.shape[:3], 3))
    drawn: NDArray[np.uint8] = np.rint((1.0 - weights) * colours + weights * np.array(_RED)).astype(np.uint8)
    for picture, box in zip(drawn, boxes, strict=True):
        if box is not None:
            _draw_frame(picture, box)
    return drawn


def _draw_frame(picture: NDArray[np.uint8], box: Box) -> None:
    """Draw the outermost pixels of a box."""
    inner = picture[box.top : box.bottom, box.left : box.right]
    for edge in (inner[0], inner[-1], inner[:, 0], inner[:, -1]):
        edge[:] = _RED

"""Slant and stroke width of images of characters, light on dark: measures of a handwriting's style."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def slant(images: NDArray[Any]) -> Floats:
    """Return the slant of each image, (N,): mu11 / mu02.

    mu11 is the central moment of x and y, and mu02 that of y twice. Both are weighted by the grey levels. The axis x
    points to the right and y up. So characters that lean to the right have positive slants. A shear x' = x + a y of an
    image adds a. NaN for images without light pixels or with a single row of them.

    Args:
        images: at least 0, (N, H, W, C).
    """
    ink = _ink(images)
    y, x = np.mgrid[ink.shape[1] - 1 : -1 : -1, : ink.shape[2]]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = ink.sum(axis=(1, 2))
        dx, dy = (axis - ((ink * axis).sum(axis=(1, 2)) / area)[:, np.newaxis, np.newaxis] for axis in (x, y))
        found: Floats = (ink * dx * dy).sum(axis=(1, 2)) / (ink * dy * dy).sum(axis=(1, 2))
    return found


def stroke_width(images: NDArray[Any]) -> Floats:
    """Return the stroke width of each image in pixels, (N,): 2 area / perimeter.

    The area is the sum of the grey levels. The perimeter is their total variation, the sum of the lengths of their
    gradients: by the coarea formula, the mean perimeter over all thresholds. A stroke of width w and length l has an
    area of w l and a perimeter of 2 (w + l), which is nearly 2 l. NaN for images of one grey level.

    Args:
        images: at least 0, (N, H, W, C).
    """
    ink = np.pad(_ink(images), ((0, 0), (1, 1), (1, 1)))
    down, right = np.diff(ink, axis=1)[:, :, :-1], np.diff(ink, axis=2)[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 2.0 * ink.sum(axis=(1, 2)) / np.hypot(down, right).sum(axis=(1, 2))
    return found


def _ink(images: NDArray[Any]) -> Floats:
    ink: Floats = images.astype(np.float64).mean(axis=3)
    return ink

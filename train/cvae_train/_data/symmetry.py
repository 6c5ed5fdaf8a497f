"""Symmetries of a set of images: whether mirrored, upside-down and turned images could belong to it.

A classifier is trained to distinguish the images from their transformed copies (Lopez-Paz and Oquab, "Revisiting
classifier two-sample tests", 2017). If it does no better than chance on images that it was not trained on, the
transformation is a symmetry of the set. Photographs often have the first of them, digits have none, and drawings of
things from above have all.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .._config import Augment

LEAST_IMAGES = 50  # fewer cannot show a difference
SIGNIFICANCE = 0.02
_SIDE = 16  # pixels of the thumbnails
_REDUCED_SIDE = 64
_RIDGE = 1.0  # relative to the mean squared norm of the features

_TRANSFORMS: tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], ...] = (
    lambda image: image[:, ::-1],
    lambda image: image[::-1],
    lambda image: image.swapaxes(0, 1),  # with a mirror, a quarter turn
)


class SymmetryTest:
    """Finds the largest group of transformations that a classifier cannot detect in the images added."""

    def __init__(self) -> None:
        self._features: list[list[NDArray[np.float64]]] = []  # of each image: those of the original and its copies
        self._squares = True

    def add(self, image: NDArray[np.uint8]) -> None:
        """Add an image, uint8 (H, W, C), of any size. Quarter turns are tried only if all are squares."""
        self._squares = self._squares and image.shape[0] == image.shape[1]
        image = _reduced(image)
        # The copies are made before the features: then any asymmetry of the features is the same for both.
        self._features.append([_features(copy) for copy in (image, *(transform(image) for transform in _TRANSFORMS))])

    def result(self) -> Augment:
        """Return the group; "none" of fewer than `LEAST_IMAGES` images."""
        if len(self._features) < LEAST_IMAGES:
            return "none"
        original, mirror, flip, transpose = map(np.stack, zip(*self._features, strict=True))
        if not _are_alike(original, mirror):
            return "none"
        if not _are_alike(original, flip):
            return "mirror"
        return "dihedral" if self._squares and _are_alike(original, transpose) else "mirror-flip"


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a large image by a whole factor, since four thumbnails of it would take long."""
    height, width = image.shape[:2]
    factor = max(1, min(height, width) // _REDUCED_SIDE)
    top, left = height % factor // 2, width % factor // 2
    image = image[top : top + height // factor * factor, left : left + width // factor * factor]
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    return np.asarray(picture.reduce(factor))


def _features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels of a thumbnail, and the product of both gradients at each place, which has the direction of edges."""
    pixels = np.asarray(Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)) / 255.0
    brightness = pixels.mean(axis=2)
    down, across = np.diff(brightness, axis=0), np.diff(brightness, axis=1)
    product = (down[:, 1:] + down[:, :-1]) * (across[1:] + across[:-1])
    return np.concatenate([pixels.reshape(-1), product.reshape(-1)])


def _are_alike(originals: NDArray[np.float64], copies: NDArray[np.float64]) -> bool:
    """Whether a linear classifier distinguishes images from copies, by features (N, F), no better than by chance."""
    # The classifier is sign(w (f(x) - f(Tx))). Under the symmetry both signs are equally probable.
    differences = originals - copies
    scale = np.sqrt(np.mean(differences**2, axis=0))
    differences = differences / np.where(scale > 0.0, scale, 1.0)
    halves = differences[::2], differences[1::2]
    scores = np.concatenate([_scores(halves[0], halves[1]), _scores(halves[1], halves[0])])
    right, wrong = int((scores > 0.0).sum()), int((scores < 0.0).sum())
    return _tail(right, right + wrong) > SIGNIFICANCE


def _scores(train: NDArray[np.float64], test: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a ridge regression of 1 without an intercept; return its predictions."""
    products = train @ train.T
    ridge = _RIDGE * np.trace(products) / len(train) + 1e-12
    dual = np.linalg.solve(products + ridge * np.eye(len(train)), np.ones(len(train)))
    return (test @ train.T) @ dual


def _tail(right: int, count: int) -> float:
    """Probability of at least ``right`` heads in ``count`` throws of a coin."""
    return sum(math.comb(count, heads) for heads in range(right, count + 1)) / 2**count

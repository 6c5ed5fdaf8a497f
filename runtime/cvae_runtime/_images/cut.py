"""Statistics of images under a model's threshold: detect images that binarization erases."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError


@dataclasses.dataclass(frozen=True)
class Cut:
    """Statistics of uint8 images and of their binarization.

    Attributes:
        count: number of images.
        white: share of the pixels at or above the threshold.
        lost: number of images with several levels that become all black or all white.
        alike: size of the largest set of different images that become equal; 0 if there is none.
        low, high: the lowest and the highest level.
        grey: share of the pixels in the middle half of the range.
    """

    count: int
    white: float
    lost: int
    alike: int
    low: int
    high: int
    grey: float


def look_at_cut(images: NDArray[np.uint8], binarize_at: int) -> Cut:
    """Compute the statistics of images under a threshold.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        binarize_at: the threshold: the lowest level that becomes white.

    Examples:
        >>> cut = images.look_at_cut(np.uint8([[[[10], [90]]], [[[10], [200]]]]), binarize_at=128)
        >>> cut.white, cut.lost  # one pixel of four is white; the first image becomes all black
        (0.25, 1)
    """
    flat = images.reshape(len(images), -1)
    white = flat >= binarize_at
    _, codes, counts = np.unique(np.packbits(white, axis=1), axis=0, return_inverse=True, return_counts=True)
    commonest = flat[codes.reshape(-1) == counts.argmax()]
    return Cut(
        count=len(flat),
        white=float(white.mean()),
        lost=lost_images(images, binarize_at),
        alike=len(commonest) if (commonest != commonest[0]).any() else 0,
        low=int(flat.min()),
        high=int(flat.max()),
        grey=float(((flat >= 64) & (flat < 192)).mean()),
    )


def lost_images(images: NDArray[np.uint8], binarize_at: int | None) -> int:
    """Count the images (N, H, W, C) with several levels that become all black or all white; 0 without a threshold."""
    if binarize_at is None:
        return 0
    flat = images.reshape(len(images), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    return int(((low < high) & ((high < binarize_at) | (low >= binarize_at))).sum())


def check_cut(images: NDArray[np.uint8], binarize_at: int | None, name: str) -> None:
    """Raise `InputError` if binarization makes each of the images (N, H, W, C) all black or all white."""
    if (lost := lost_images(images, binarize_at)) == len(images):
        raise InputError(
            f"{name}: expected images with levels on both sides of the model's threshold, {binarize_at}; found {lost} "
            f"of {lost} on one side (levels {images.min()} to {images.max()}); scale their levels to 0 to 255, or use "
            f"a model that was trained with --binarize none"
        )


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """Evenly spaced indices of at most ``most`` of ``count`` images.

    Examples:
        >>> images.evenly_spaced(count=101, most=5).tolist()
        [0, 25, 50, 75, 100]
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))

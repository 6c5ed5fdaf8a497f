"""What a model that cuts grey levels sees of images: whether anything is left of them."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError


@dataclasses.dataclass(frozen=True)
class Cut:
    """Images of uint8 under a cut.

    Attributes:
        count: how many images.
        white: share of the pixels that are at or above the cut.
        lost: images of several levels that come out all black or all white.
        alike: the most images that come out the same without having been the same; 0 if there are none.
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
    """Count what a cut leaves of images.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        binarize_at: the first level that becomes white.
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
    """How many images (N, H, W, C) of several levels come out all black or all white; 0 where nothing is cut."""
    if binarize_at is None:
        return 0
    flat = images.reshape(len(images), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    return int(((low < high) & ((high < binarize_at) | (low >= binarize_at))).sum())


def check_cut(images: NDArray[np.uint8], binarize_at: int | None, name: str) -> None:
    """Raise `InputError` if a model that cuts at a level sees each of the images (N, H, W, C) all black or all white."""
    if (lost := lost_images(images, binarize_at)) == len(images):
        raise InputError(
            f"{name}: expected images of which the model's cut at level {binarize_at} leaves something, found {lost} of "
            f"{lost} that it makes all black or all white (levels {images.min()} to {images.max()}); scale their levels "
            f"to 0 to 255, or take a model that was trained with --binarize none"
        )


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """Numbers of at most so many of ``count`` images, at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))

"""Selection of the images to hold out, by their names alone: the same on every machine and in every order."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError


def held_out(keys: Sequence[str], fraction: float) -> NDArray[np.bool_]:
    """Choose the images to hold out: those whose keys have the lowest SHA-256.

    Args:
        keys: a unique name of each image, such as its path in a folder or its number.
        fraction: fraction of the images, between 0 and 1; rounded, but at least one image and never all.

    Returns:
        bool (len(keys),): true for the images that are held out.

    Raises:
        InputError: there are fewer than two images.
    """
    if len(keys) < 2:
        raise InputError(f"expected at least two images, one to train on and one to hold out, found {len(keys)}")
    # Python represents bytes of file names that are not valid UTF-8 as surrogates.
    digests = [hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest() for key in keys]
    count = held_out_count(len(keys), fraction)
    chosen = np.zeros(len(keys), np.bool_)
    chosen[sorted(range(len(keys)), key=digests.__getitem__)[:count]] = True
    return chosen


def held_out_count(count: int, fraction: float) -> int:
    """Number of images that `held_out` chooses of ``count``."""
    return min(max(1, round(count * fraction)), count - 1)

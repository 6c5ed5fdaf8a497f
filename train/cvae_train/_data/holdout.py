"""Which pictures of a set are held out: by their names alone, the same on every machine and in every order."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError


def held_out(keys: Sequence[str], fraction: float) -> NDArray[np.bool_]:
    """Choose a part of some pictures.

    They are ranked by the SHA-256 of their keys, and the first ones are chosen: as many as the fraction gives,
    rounded, but at least one, and never all.

    Args:
        keys: a name of each picture, such as its path in its folder or its number; no two are alike.
        fraction: between 0 and 1.

    Returns:
        bool (len(keys),): true for the pictures that are held out.

    Raises:
        InputError: there are fewer than two pictures.
    """
    if len(keys) < 2:
        raise InputError(f"expected at least two pictures, so that one can be held out, found {len(keys)}")
    # File names may hold bytes that are no text, which Python keeps as surrogates.
    digests = [hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest() for key in keys]
    count = min(max(1, round(len(keys) * fraction)), len(keys) - 1)
    chosen = np.zeros(len(keys), np.bool_)
    chosen[sorted(range(len(keys)), key=digests.__getitem__)[:count]] = True
    return chosen

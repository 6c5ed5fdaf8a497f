"""Which images are held out: a function of their names alone, the same in every run and on every machine."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def held_out(keys: Sequence[str], fraction: float) -> NDArray[np.bool_]:
    """Choose a part of some images, as if by chance.

    Args:
        keys: what tells the images apart: relative paths, or numbers.
        fraction: of the images; their number is rounded, and at least 1.

    Returns:
        bool (N,), true for the held-out ones: those whose key has the lowest SHA-256. Few change their part when some
        images are added.
    """
    digests = np.array([hashlib.sha256(key.encode()).digest()[:8] for key in keys], "S8").view(">u8")
    chosen = np.zeros(len(keys), np.bool_)
    chosen[np.argsort(digests, kind="stable")[: max(1, round(len(keys) * fraction))]] = True
    return chosen

"""Interpolation between two latents."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError

Method = Literal["linear", "spherical"]


def interpolate_latents(
    a: NDArray[np.float32], b: NDArray[np.float32], steps: int, method: Method
) -> NDArray[np.float32]:
    """Interpolate between two latents, both ends included.

    Spherical: (sin((1-t) w) a + sin(t w) b) / sin w, where w is the angle between a and b (Shoemake, 1985). The
    formula is undefined for angles of 0 and 180 degrees; there the interpolation is linear.

    Args:
        a, b: float32 (L,).
        steps: number of latents.
        method: "linear" or "spherical".

    Returns:
        float32 (steps, L).

    Raises:
        InputError: an unknown method.
    """
    if method not in get_args(Method):
        raise InputError(f"method must be one of {', '.join(get_args(Method))}; found {method!r}")
    t = np.linspace(0.0, 1.0, steps)[:, np.newaxis]
    start, end = a.astype(np.float64), b.astype(np.float64)
    left, right = 1.0 - t, t
    if method == "spherical":
        lengths = np.linalg.norm(start) * np.linalg.norm(end)
        angle = np.arccos(np.clip(start @ end / lengths, -1.0, 1.0)) if lengths > 0.0 else 0.0
        if np.sin(angle) > 1e-6:
            left, right = np.sin((1.0 - t) * angle) / np.sin(angle), np.sin(t * angle) / np.sin(angle)
    return (left * start + right * end).astype(np.float32)

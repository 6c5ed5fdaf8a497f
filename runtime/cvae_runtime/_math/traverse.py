"""Latents that show what a decoder does with its space: traversals of single dimensions, grids over two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._check import is_whole
from .._errors import InputError

_TAIL = 0.05  # of the prior, left out at either end of a manifold


def traversal_latents(
    start: NDArray[np.float32], dimensions: Sequence[int], steps: int, span: float
) -> NDArray[np.float32]:
    """Latents that differ from ``start``, float32 (L,), in one dimension at a time: float32 (D, steps, L).

    The dimension goes from ``span`` below its value to ``span`` above it in even steps; with an odd number of them the
    middle one is ``start`` itself.
    """
    # Whole numbers until the division, so that the middle is exactly 0.
    offsets = span * (np.arange(1 - steps, steps, 2) / (steps - 1))
    latents = np.tile(start, (len(dimensions), steps, 1))
    for row, dimension in zip(latents, dimensions, strict=True):
        with np.errstate(over="ignore"):  # infinity is refused where latents are decoded
            row[:, dimension] = start[dimension] + offsets
    return latents


def manifold_latents(latent_dim: int, dimensions: Sequence[int], steps: int) -> NDArray[np.float32]:
    """Latents on a grid over two dimensions, with 0 in all others: float32 (steps, steps, L).

    The first dimension grows down the rows, the second along the columns, both through the quantiles 5 % to 95 % of
    the prior in steps of equal probability (Kingma and Welling, "Auto-encoding variational Bayes", 2014, figure 4).
    """
    from statistics import NormalDist  # brings fractions and decimals, which a start can do without

    quantiles = [NormalDist().inv_cdf(p) for p in np.linspace(_TAIL, 1.0 - _TAIL, steps).tolist()]
    latents = np.zeros((steps, steps, latent_dim), np.float32)
    latents[..., dimensions[0]], latents[..., dimensions[1]] = np.meshgrid(quantiles, quantiles, indexing="ij")
    return latents


def check_dimensions(dimensions: Any, latent_dim: int) -> list[int]:
    """Latent dimensions as Python numbers; raise `InputError` unless they are distinct ones of 0 to ``latent_dim - 1``."""
    found = list(dimensions) if isinstance(dimensions, Sequence) or np.ndim(dimensions) == 1 else []
    whole = all(is_whole(dimension) and 0 <= dimension < latent_dim for dimension in found)
    if not found or not whole or len(set(found)) < len(found):
        raise InputError(f"dimensions must be distinct whole numbers from 0 to {latent_dim - 1}; found {dimensions!r}")
    return [int(dimension) for dimension in found]


def check_span(value: Any) -> float:
    """A traversal's reach as a Python number; raise `InputError` unless it is finite and above 0."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (number and 0.0 < value <= float(np.finfo(np.float32).max)):
        raise InputError(f"span must be a finite number above 0; found {value!r}")
    return float(value)

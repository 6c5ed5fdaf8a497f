"""Latents that vary in one dimension (traversals) or in two (manifolds)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._check import is_int
from .._errors import InputError

_TAIL = 0.05  # probability of the prior beyond each end of a manifold


def traversal_latents(
    start: NDArray[np.float32], dimensions: Sequence[int], steps: int, span: float
) -> NDArray[np.float32]:
    """Vary one dimension of a latent at a time, in even steps from ``span`` below its value to ``span`` above it.

    Args:
        start: float32 (L,).
        dimensions: D latent dimensions.
        steps: latents per dimension, at least 2. If odd, the middle one is ``start`` itself.
        span: the largest offset.

    Returns:
        float32 (D, steps, L).
    """
    # Integers until the division make the middle offset exactly 0.
    offsets = span * (np.arange(1 - steps, steps, 2) / (steps - 1))
    latents = np.tile(start, (len(dimensions), steps, 1))
    for row, dimension in zip(latents, dimensions, strict=True):
        with np.errstate(over="ignore"):  # decode() raises for infinity
            row[:, dimension] = start[dimension] + offsets
    return latents


def manifold_latents(latent_dim: int, dimensions: Sequence[int], steps: int) -> NDArray[np.float32]:
    """Make a grid of latents over two dimensions, with 0 in all others.

    Both dimensions run through the quantiles 5% to 95% of the prior, in steps of equal probability (Kingma and
    Welling, "Auto-encoding variational Bayes", 2014, figure 4).

    Args:
        latent_dim: L, the length of a latent.
        dimensions: the dimension that grows down the rows, and the one that grows along the columns.
        steps: latents per side.

    Returns:
        float32 (steps, steps, L).
    """
    from statistics import NormalDist  # imports fractions and decimal, which slow a start

    quantiles = [NormalDist().inv_cdf(p) for p in np.linspace(_TAIL, 1.0 - _TAIL, steps).tolist()]
    latents = np.zeros((steps, steps, latent_dim), np.float32)
    latents[..., dimensions[0]], latents[..., dimensions[1]] = np.meshgrid(quantiles, quantiles, indexing="ij")
    return latents


def check_dimensions(dimensions: Any, latent_dim: int) -> list[int]:
    """Return latent dimensions as ints; raise `InputError` unless they are distinct, 0 to ``latent_dim - 1``."""
    found = list(dimensions) if isinstance(dimensions, Sequence) or np.ndim(dimensions) == 1 else []
    in_range = all(is_int(dimension) and 0 <= dimension < latent_dim for dimension in found)
    if not found or not in_range or len(set(found)) < len(found):
        raise InputError(f"dimensions must be distinct whole numbers from 0 to {latent_dim - 1}; found {dimensions!r}")
    return [int(dimension) for dimension in found]


def check_span(value: Any) -> float:
    """Return a traversal's span as a Python float; raise `InputError` unless it is finite and above 0."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (number and 0.0 < value <= float(np.finfo(np.float32).max)):
        raise InputError(f"span must be a finite number above 0; found {value!r}")
    return float(value)

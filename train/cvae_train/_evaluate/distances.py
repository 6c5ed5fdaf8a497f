"""Distances between two sets of images, from the features of a network: (N, D) and (M, D), float32.

All are estimates from finite sets: compare figures of the same number of images alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

NEIGHBOURS = 5  # k of density and coverage, as in their paper
_ROWS = 1_000  # of a matrix of distances at a time, to limit the memory


def frechet_distance(a: Floats, b: Floats) -> float:
    """Fréchet distance of the Gaussians with the sets' means and covariances.

    |m - n|^2 + tr(S + T - 2 (S T)^(1/2)) (Heusel et al., "GANs trained by a two time-scale update rule converge to a
    local Nash equilibrium", 2017).
    """
    (m, s), (n, t) = ((x.mean(axis=0, dtype=np.float64), np.cov(x.astype(np.float64), rowvar=False)) for x in (a, b))
    s, t = np.atleast_2d(s), np.atleast_2d(t)
    root = _root(s)
    # (S T)^(1/2) has the trace of (S^(1/2) T S^(1/2))^(1/2), whose matrix is symmetric.
    return float(np.sum((m - n) ** 2) + np.trace(s) + np.trace(t) - 2.0 * np.trace(_root(root @ t @ root)))


def _root(matrix: Floats) -> Floats:
    """Square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def kernel_distance(a: Floats, b: Floats) -> float:
    """Squared maximum mean discrepancy with the kernel (x'y / D + 1)^3, by the unbiased estimator; may be below 0.

    Bińkowski et al., "Demystifying MMD GANs", 2018.
    """
    n, m = len(a), len(b)
    within = [(_sum_of_kernels(x, x) - float(_kernel(np.sum(x * x, axis=1), x).sum())) for x in (a, b)]
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2.0 * _sum_of_kernels(a, b) / (n * m)


def _sum_of_kernels(a: Floats, b: Floats) -> float:
    return sum(float(_kernel(a[start : start + _ROWS] @ b.T, a).sum()) for start in range(0, len(a), _ROWS))


def _kernel(products: Floats, x: Floats) -> Floats:
    kernel: Floats = (products.astype(np.float64) / x.shape[1] + 1.0) ** 3
    return kernel


def precision_and_recall(real: Floats, drawn: Floats) -> dict[str, float]:
    """Precision and recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al., 2020).

    An image's ball reaches to its `NEIGHBOURS`-th nearest neighbour in its own set.

    Returns:
        "precision": share of the drawn images in a real image's ball. "recall": share of the real images in a drawn
        image's ball. "density": number of real images whose ball has a drawn image, on average and divided by
        `NEIGHBOURS`. "coverage": share of the real images whose ball has a drawn image.
    """
    real_radii, drawn_radii = _radii(real), _radii(drawn)
    of_drawn, in_drawn, covered = [], [], np.zeros(len(real), np.bool_)
    for start, distances in _distances(drawn, real):
        inside = distances <= real_radii
        of_drawn.append(inside.sum(axis=1))
        covered |= inside.any(axis=0)
        reached = distances <= drawn_radii[start : start + len(distances), np.newaxis]
        in_drawn.append(reached.any(axis=0))
    balls = np.concatenate(of_drawn)
    return {
        "precision": float((balls > 0).mean()),
        "recall": float(np.any(in_drawn, axis=0).mean()),
        "density": float(balls.mean() / NEIGHBOURS),
        "coverage": float(covered.mean()),
    }


def _radii(x: Floats) -> Floats:
    k = min(NEIGHBOURS, len(x) - 1)
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for _, distances in _distances(x, x)])


def _distances(a: Floats, b: Floats) -> Iterator[tuple[int, Floats]]:
    """Squared distances of some rows of ``a`` from all of ``b``, with the number of the first row."""
    squares = np.sum(b * b, axis=1)
    for start in range(0, len(a), _ROWS):
        rows = a[start : start + _ROWS]
        distances = np.sum(rows * rows, axis=1)[:, np.newaxis] + squares - 2.0 * (rows @ b.T)
        yield start, np.maximum(distances, 0.0)

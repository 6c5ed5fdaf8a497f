"""95% intervals of shares and of correlations."""

import itertools
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_Z = NormalDist().inv_cdf(0.975)
_RESAMPLES = 400


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson, 1927), between 0 and 1.

    Args:
        successes: out of ``count`` independent trials, at least 1.
        count: number of trials.
    """
    share = successes / count
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_correlation(values: NDArray[np.float64]) -> float:
    """Return Pearson's correlation, as the mean over all pairs of rows.

    Args:
        values: (R, N), at least two rows.
    """
    correlations = np.corrcoef(values)
    return float(np.mean([correlations[a, b] for a, b in itertools.combinations(range(len(values)), 2)]))


def correlation_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval of `mean_correlation` by the bootstrap over columns (Efron, 1979), with a fixed seed."""
    rng = np.random.default_rng(0)
    count = values.shape[1]
    found = [mean_correlation(values[:, rng.integers(0, count, count)]) for _ in range(_RESAMPLES)]
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return low, high

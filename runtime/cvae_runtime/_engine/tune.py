"""Measure the fastest micro-batch on this machine."""

import statistics
import time
from collections.abc import Callable, Sequence

_MARGIN = 0.98  # of the best rate; a smaller micro-batch above it is preferred, for its latency and memory


def fastest(rate: Callable[[int], float], candidates: Sequence[int], seconds: float) -> int:
    """Return the smallest candidate whose rate is at least 98% of the best.

    Every round measures each candidate once, because the CPU's clock rate may drift. A candidate's rate is the median.

    Args:
        rate: function that measures a candidate, in items per second.
        candidates: micro-batches, ascending.
        seconds: duration of the measurement; there are at least three rounds.
    """
    for size in candidates:
        rate(size)  # the first call of a size allocates memory
    rates: dict[int, list[float]] = {size: [] for size in candidates}
    end = time.perf_counter() + seconds
    while len(rates[candidates[0]]) < 3 or time.perf_counter() < end:
        for size in candidates:
            rates[size].append(rate(size))
    medians = {size: statistics.median(found) for size, found in rates.items()}
    return next(size for size in candidates if medians[size] >= _MARGIN * max(medians.values()))

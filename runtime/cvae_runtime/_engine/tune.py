"""Measures which micro-batch is the fastest here."""

import statistics
import time
from collections.abc import Callable, Sequence

_MARGIN = 0.98  # of the best rate: a smaller micro-batch within it is taken, for its latency and its memory


def fastest(rate: Callable[[int], float], candidates: Sequence[int], seconds: float) -> int:
    """The smallest candidate that is about as fast as the best.

    Rounds are interleaved, since a machine's clock may drift while they run; a candidate's figure is its median.

    Args:
        rate: measures one, in items a second.
        candidates: micro-batches, ascending.
        seconds: how long to measure; each is measured three times at least.
    """
    for size in candidates:
        rate(size)  # the first call of a size allocates
    rates: dict[int, list[float]] = {size: [] for size in candidates}
    end = time.perf_counter() + seconds
    while len(rates[candidates[0]]) < 3 or time.perf_counter() < end:
        for size in candidates:
            rates[size].append(rate(size))
    medians = {size: statistics.median(found) for size, found in rates.items()}
    return next(size for size in candidates if medians[size] >= _MARGIN * max(medians.values()))

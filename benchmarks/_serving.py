"""The server scenario: single images arrive at random, and 99 of 100 must be ready within a time bound.

Arrivals are a Poisson process with a seed, the same for all contenders. When the contender is free, it takes the
largest batch that the queue fills, oldest images first.
"""

import bisect
import math
import time
from collections.abc import Callable, Mapping

import numpy as np

LATE = 0.01  # the share of images that may be late for a bound on the 99th percentile
_FEWEST = 100  # minimum of arrivals, so that a 99th percentile is meaningful
_SLEEPS = 1e-3  # shorter waits are busy loops, because a sleep may overrun by a tenth of this


def serve(
    works: Mapping[int, Callable[[], object]],
    rate: float,
    seconds: float,
    seed: int,
    bound: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether 99% of the images that arrive are done within the bound.

    Args:
        works: batch size -> a call on a batch of this size; includes size 1.
        rate: mean number of images that arrive per second.
        seconds: how long images arrive.
        seed: seed of the arrivals.
        bound: seconds from an image's arrival to its result.
        clock, sleep: replaced in tests.
    """
    count = max(_FEWEST, math.ceil(rate * seconds))
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count)).tolist()
    sizes = sorted(works, reverse=True)
    done, late, allowed = 0, 0, math.floor(count * LATE)
    start = clock()
    while done < count:
        waiting = bisect.bisect_right(arrivals, clock() - start) - done
        if not waiting:
            pause = arrivals[done] - (clock() - start)
            sleep(pause - _SLEEPS if pause > _SLEEPS else 0)
            continue
        size = next(size for size in sizes if size <= waiting)
        works[size]()
        # Arrivals are in order, so the late images of a batch are its first ones.
        late += bisect.bisect_left(arrivals, clock() - start - bound, done, done + size) - done
        if late > allowed:
            return False
        done += size
    return True


def largest_rate(holds: Callable[[float], bool], low: float, high: float, steps: int) -> float | None:
    """The largest rate that holds, found by bisection on a logarithmic scale.

    Args:
        holds: whether a rate holds.
        low: a rate that probably holds; otherwise a tenth of it is tried.
        high: a rate that probably does not hold.
        steps: steps of the bisection.

    Returns:
        The largest rate that held; None if not even a tenth of ``low`` did.
    """
    for _ in range(2):
        if holds(low):
            break
        low, high = low / 10, low
    else:
        return None
    for _ in range(steps):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

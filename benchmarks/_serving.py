"""The server scenario: single images arrive at random, and 99 of 100 must be ready within a bound.

Arrivals are a Poisson process with a seed, the same for all contenders. Whenever the contender is free, it takes the
largest batch size that the queue fills, oldest images first.
"""

import bisect
import math
import time
from collections.abc import Callable, Mapping

import numpy as np

LATE = 0.01  # the share of images that may be late where the 99th percentile is bound
_FEWEST = 100  # images that arrive at least, for a 99th percentile to mean something
_SLEEPS = 1e-3  # waits below this are spent awake: a sleep may last a tenth of it too long


def serve(
    works: Mapping[int, Callable[[], object]],
    rate: float,
    seconds: float,
    seed: int,
    bound: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether 99 % of the images that arrive are done within the bound.

    Args:
        works: batch size -> a call on a batch of this size; includes size 1.
        rate: mean number of images a second that arrive.
        seconds: how long images arrive.
        seed: of the arrivals.
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
        # Arrivals are in order, so the late ones of this batch come first.
        late += bisect.bisect_left(arrivals, clock() - start - bound, done, done + size) - done
        if late > allowed:
            return False
        done += size
    return True


def largest_rate(holds: Callable[[float], bool], low: float, high: float, steps: int) -> float | None:
    """The largest rate that holds, by bisection in ratios: the interval's logarithm halves with each step.

    Args:
        holds: whether a rate holds.
        low: a rate that probably holds; otherwise a tenth of it is tried.
        high: a rate that probably does not hold.
        steps: of the bisection.

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

"""Check that many calls leak no memory or handles: python scripts/soak.py [--calls 200000 | --seconds 3600] [BUNDLE].

Several threads call every method of one model with 1 to 55 images. Prints the process's resident memory and open
handles after each twentieth of the calls, and their growth since the first twentieth. Exits with 3 if memory grows by
20 MB or more, or handles grow at all. Needs Linux's /proc.
"""

import argparse
import dataclasses
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import cvae_runtime as cvae

LIMIT = 20e6  # bytes
SAMPLES = 20
SIZES = (1, 2, 3, 5, 8, 13, 21, 34, 55)


def resident(process: int | str = "self") -> int:
    """The resident memory of a process, this one by default, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    """The number of files, sockets and pipes that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def call(model: cvae.Model, number: int) -> None:
    """Make call ``number``, which determines the method, the size and the arguments."""
    rng = np.random.default_rng(number)
    size = int(rng.choice(SIZES))
    images = rng.integers(0, 256, (size, *model.image_shape), np.uint8)
    latents = rng.normal(size=(size, model.latent_dim)).astype(np.float32)
    methods: list[Callable[[], object]] = [
        lambda: model.generate(size, seed=number),
        lambda: model.encode(images),
        lambda: model.decode(latents),
        lambda: model.reconstruct(images, sample=True, seed=number),
        lambda: model.score(images, samples=1 + number % 2, seed=number),
        lambda: model.interpolate(latents[0], latents[-1], steps=size + 1),
    ]
    methods[number % len(methods)]()


@dataclasses.dataclass(frozen=True)
class State:
    """Memory in bytes and open handles of the process after a number of calls."""

    calls: int
    memory: int
    handles: int


def soak(model: cvae.Model, callers: int, *, calls: int | None = None, seconds: float = math.inf) -> Iterator[State]:
    """Make the calls, or call for this long, and yield the state after each of `SAMPLES` equal parts."""
    done, begin = 0, time.monotonic()
    with ThreadPoolExecutor(callers) as pool:
        for part in range(1, SAMPLES + 1):
            # The callers share one iterator, so each takes the next number.
            numbers = iter(itertools.count(done) if calls is None else range(done, part * (calls // SAMPLES)))
            end = begin + seconds * part / SAMPLES
            done += sum(
                pool.map(lambda _, *given: _calls(model, *given), range(callers), [numbers] * callers, [end] * callers)
            )
            yield State(done, resident(), handles())


def _calls(model: cvae.Model, numbers: Iterator[int], end: float) -> int:
    done = 0
    for done, number in enumerate(numbers, 1):
        call(model, number)
        if time.monotonic() >= end:
            return done
    return done


def growth(states: list[State]) -> tuple[int, int]:
    """Bytes and handles by which the largest state exceeds the first one, the warm-up."""
    first = states[0]
    return max(state.memory for state in states) - first.memory, max(state.handles for state in states) - first.handles


def main() -> None:
    """Run the calls and print the growth of memory and handles."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, help="by default the packaged one")
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--calls", type=int, default=200_000)
    span.add_argument("--seconds", type=float, help="call for this long instead")
    parser.add_argument("--callers", type=int, default=2, help="number of calling threads")
    arguments = parser.parse_args()
    span_of = {"calls": arguments.calls} if arguments.seconds is None else {"seconds": arguments.seconds}
    states = []
    with cvae.load(arguments.bundle, provider="cpu") as model:
        for state in soak(model, arguments.callers, **span_of):
            states.append(state)
            text = f"{state.calls:>11,} calls: {state.memory / 1e6:7.1f} MB, {state.handles} handles"
            print(text, file=sys.stderr, flush=True)
    memory, opened = growth(states)
    print(
        f"memory grew by {memory / 1e6:.1f} MB, handles by {opened}, in {states[-1].calls:,} calls, "
        f"after the first {states[0].calls:,}"
    )
    sys.exit(3 if memory >= LIMIT or opened > 0 else 0)


if __name__ == "__main__":
    main()

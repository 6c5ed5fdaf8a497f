"""Call one model very often and see whether memory or handles grow: python scripts/soak.py [--calls 200000 | --seconds 3600] [BUNDLE].

Calls of every method in sizes of 1 to 55 images, from several threads at once. Prints the process's resident memory and open handles
every twentieth of the way, and their growth since the first twentieth; exits 3 where that is 20 MB or more, or a handle. Needs
Linux's /proc.
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
    """The bytes of memory that a process has, this one if not given."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    """The files, sockets and pipes that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def call(model: cvae.Model, number: int) -> None:
    """The call of this number: its method, size and arguments are a function of the number."""
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
    """What the process holds after so many calls; memory in bytes."""

    calls: int
    memory: int
    handles: int


def soak(model: cvae.Model, callers: int, *, calls: int | None = None, seconds: float = math.inf) -> Iterator[State]:
    """Make the calls, or call for so long, and give the state after each of `SAMPLES` equal parts."""
    done, begin = 0, time.monotonic()
    with ThreadPoolExecutor(callers) as pool:
        for part in range(1, SAMPLES + 1):
            # One iterator, of which each caller takes the next number.
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
    """By how many bytes and handles the most exceed those after the first part, the warm-up."""
    first = states[0]
    return max(state.memory for state in states) - first.memory, max(state.handles for state in states) - first.handles


def main() -> None:
    """Print how memory and handles grew."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, help="the packaged one if not given")
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--calls", type=int, default=200_000)
    span.add_argument("--seconds", type=float, help="call for so long instead")
    parser.add_argument("--callers", type=int, default=2, help="threads that call")
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

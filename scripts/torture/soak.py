"""Many calls, which must leak no memory or handles.

Several threads call every method of one model with 1 to 55 images. Prints the process's resident memory and open
handles after each twentieth of the time. Needs Linux's /proc.
"""

import dataclasses
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import cvae_runtime as cvae

from ._counts import Counts

LIMIT = 20e6  # bytes
PARTS = 20
CALLERS = 2  # threads
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


def run_attack(seconds: float, seed: int) -> Counts:
    """Call the packaged model, and compare each state with the first one, which is the warm-up."""
    counts, states = Counts(), []
    with cvae.load(provider="cpu") as model:
        for state in soak(model, seconds, seed):
            states.append(state)
            text = f"{state.calls:>11,} calls: {state.memory / 1e6:7.1f} MB, {state.handles} handles"
            print(text, file=sys.stderr, flush=True)
    first = states[0]
    memory = max(state.memory for state in states) - first.memory
    opened = max(state.handles for state in states) - first.handles
    growth = f"memory grew by {memory / 1e6:.1f} MB, handles by {opened}, after the first {first.calls:,}"
    if memory >= LIMIT or opened > 0:
        counts.defect("calls", f"{growth}, seed {seed}")
    counts.add(f"calls: {growth}", states[-1].calls)
    return counts


def soak(model: cvae.Model, seconds: float, seed: int) -> Iterator[State]:
    """Call for this long, and yield the state after each of `PARTS` equal parts, which have a call per thread."""
    done, begin = 0, time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        for part in range(1, PARTS + 1):
            numbers = itertools.count(seed + done)  # the threads share it, so each takes the next number
            end = begin + seconds * part / PARTS
            done += sum(
                future.result() for future in [pool.submit(_call_until, model, numbers, end) for _ in range(CALLERS)]
            )
            yield State(done, resident(), handles())


def _call_until(model: cvae.Model, numbers: Iterator[int], end: float) -> int:
    for done, number in enumerate(numbers, 1):
        call(model, number)
        if time.monotonic() >= end:
            return done
    return 0

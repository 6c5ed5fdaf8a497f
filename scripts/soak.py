"""Call one model very often and see whether memory grows: python scripts/soak.py [--calls 200000] [--callers 2] [BUNDLE].

Calls of every method in sizes of 1 to 55 images, from several threads at once. Prints the process's resident memory every twentieth
of the way, and its growth since the first twentieth; exits 3 where that is 20 MB or more. Needs Linux's /proc.
"""

import argparse
import os
import sys
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


def soak(model: cvae.Model, calls: int, callers: int) -> Iterator[int]:
    """Make the calls, and give the resident memory after each of `SAMPLES` equal parts of them."""
    part = calls // SAMPLES
    with ThreadPoolExecutor(callers) as pool:
        for begin in range(0, part * SAMPLES, part):
            numbers = [range(begin + caller, begin + part, callers) for caller in range(callers)]
            for _ in pool.map(lambda own: [call(model, number) for number in own] and None, numbers):
                pass
            yield resident()


def growth(memory: list[int]) -> int:
    """By how much the most memory exceeds that after the first part, the warm-up."""
    return max(memory) - memory[0]


def main() -> None:
    """Print how memory grew."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, help="the packaged one if not given")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--callers", type=int, default=2, help="threads that call")
    arguments = parser.parse_args()
    memory = []
    with cvae.load(arguments.bundle, provider="cpu") as model:
        for resident_now in soak(model, arguments.calls, arguments.callers):
            memory.append(resident_now)
            done = len(memory) * (arguments.calls // SAMPLES)
            print(f"{done:>9,} calls: {resident_now / 1e6:7.1f} MB", file=sys.stderr, flush=True)
    grown = growth(memory)
    print(
        f"memory grew by {grown / 1e6:.1f} MB in {arguments.calls:,} calls, after the first {arguments.calls // SAMPLES:,}"
    )
    sys.exit(3 if grown >= LIMIT else 0)


if __name__ == "__main__":
    main()

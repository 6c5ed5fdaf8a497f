"""Embedding programs with defects: ``python -m tests.benchmarks.programs FOLDER NAME``."""

import os
import sys

import numpy as np

from benchmarks.embedded import _serve
from benchmarks.embedded.ours import Ours


class Right(Ours):
    threads, about = "one", "right"

    def __init__(self, folder):
        super().__init__(folder)
        self.threads, self.about = "one", "right"


class LaterWrong(Right):
    """Batches are off by a hundredth; golden vectors and the first image are right."""

    def batch(self, count):
        return super().batch(count) * np.float32(0.5)


class FirstWrong(Right):
    def first(self):
        return super().first() + np.float32(0.25)


class Near(Right):
    """Decoded images are off by less than the tolerance, and random numbers by one ulp."""

    def latents(self, **asked):
        return np.nextafter(super().latents(**asked), np.float32(np.inf))

    def run(self, *asked):
        return {name: array + np.float32(2.0**-16) for name, array in super().run(*asked).items()}


class Far(Right):
    def run(self, *asked):
        return {name: array + np.float32(0.125) for name, array in super().run(*asked).items()}


class NotANumber(Right):
    def run(self, *asked):
        return {name: array * np.float32(np.nan) for name, array in super().run(*asked).items()}


class Short(Right):
    def run(self, *asked):
        return {name: array[:1] for name, array in super().run(*asked).items()}


class OtherNumbers(Right):
    def latents(self, **asked):
        return np.nextafter(np.nextafter(super().latents(**asked), np.float32(9)), np.float32(9))


class Plain(Right):
    """Has no random numbers, and fails on graphs for the CPU."""

    def latents(self, **_):
        return None

    def run(self, bundle, file, data):
        if file == "decoder_cpu.onnx":
            raise ValueError("Col2Im is not known\nand more")
        return super().run(bundle, file, data)


class Useless(Right):
    def run(self, *_):
        raise LookupError("it has no decoder")


class Dying(Right):
    def decode(self, _):
        print("first line\nout of luck", file=sys.stderr, flush=True)
        os._exit(3)


class DyingLater(Right):
    """Dies during the measurement."""

    decoded = 0

    def decode(self, z):
        self.decoded += 1
        if self.decoded > 1:
            raise RuntimeError("out of breath")
        return super().decode(z)


class Missing(Right):
    def __init__(self, _):
        import a_package_that_is_not_there  # noqa: F401


if __name__ == "__main__":
    _serve.main(globals()[sys.argv[2]])

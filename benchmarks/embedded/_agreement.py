"""Differences of programs from a bundle's golden vectors, and their limits."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from benchmarks._process import ContenderError
from cvae_runtime import Bundle
from cvae_runtime.bundle import Golden


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Differences of a program from a bundle's golden vectors.

    Attributes:
        differences: file -> output -> the largest difference.
        not_run: file -> why it was not compared.
        ulp: the largest difference of the random numbers, in units in the last place; None without these numbers.
    """

    differences: Mapping[str, Mapping[str, float]]
    not_run: Mapping[str, str]
    ulp: int | None


def distance(found: np.ndarray, expected: np.ndarray, what: str) -> float:
    """The largest difference of two arrays; NaN if a value is NaN.

    Raises:
        ContenderError: their sizes differ.
    """
    if found.size != expected.size:
        raise ContenderError("refused", f"{what}: expected {expected.size} values, found {found.size}")
    return float(np.abs(found.ravel().astype(np.float64) - expected.ravel()).max())


def ulp(found: np.ndarray, expected: np.ndarray, what: str) -> int:
    """The largest difference in units in the last place; see `distance`."""
    return int(distance(_places(found), _places(expected), what))


def _places(array: np.ndarray) -> np.ndarray:
    """Indices of values among all float32 in ascending order, so that neighbours differ by 1."""
    words = np.ascontiguousarray(array, np.float32).view(np.int32).astype(np.int64)
    return np.where(words < 0, -(words & 0x7FFFFFFF), words)


def bundles_of(bundle: Bundle) -> Mapping[str, str]:
    """The float32 graphs to compare, each with the prepared folder in which `load` chooses it."""
    targets = {"portable": "portable", "cpu": "packaged"}
    return {g.file: targets[g.target] for g in bundle.manifest.graphs if g.precision == "float32"}


def shares(found: Agreement, golden: Golden) -> Mapping[str, Mapping[str, float]]:
    """The differences as shares of the largest golden value.

    Raises:
        ContenderError: a difference is beyond its tolerance, the random numbers differ, or nothing was compared.
    """
    if found.ulp is not None and found.ulp > 1:
        raise ContenderError("refused", f"other random numbers: {found.ulp} ulp from the golden ones")
    if not found.differences:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in found.not_run.items())
        raise ContenderError("failed", f"it runs none of the graphs: {reasons}")
    cases = {case.file: case for case in golden.cases}
    result: dict[str, dict[str, float]] = {}
    for file, outputs in found.differences.items():
        for name, value in outputs.items():
            if not value <= cases[file].atol:
                raise ContenderError(
                    "refused", f"{name} of {file}: off by {value:.2g}, more than {cases[file].atol:.1g}"
                )
            largest = float(np.abs(cases[file].outputs[name]).max())
            result.setdefault(file, {})[name] = value / largest
    return result


def bits(share: float) -> float:
    """The number of equal bits, of float32's 24, for a difference of this share of the largest value."""
    return min(24.0, -math.log2(share)) if share else 24.0

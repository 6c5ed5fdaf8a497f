"""Counts of an attack."""

import collections
import dataclasses
import random
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Counts:
    """Attempts by outcome, and the defects among them.

    Attributes:
        outcomes: number of attempts per outcome, including those with defects.
        defects: one line per defect, with its reproduction.
    """

    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    defects: list[str] = dataclasses.field(default_factory=list)

    def add(self, outcome: str, count: int = 1) -> None:
        """Count attempts with an expected outcome."""
        self.outcomes[outcome] += count

    def defect(self, what: str, text: str) -> None:
        """Count an attempt with an unexpected outcome."""
        self.outcomes[f"{what}: DEFECT"] += 1
        self.defects.append(f"{what}: {' '.join(text.split())[:400]}")

    @property
    def attempts(self) -> int:
        """Number of attempts."""
        return self.outcomes.total()


def until(seconds: float) -> Iterator[int]:
    """Yield 0, 1, 2 and so on until the time is over, but 0 in any case."""
    end, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1


def rng_of(seed: object) -> random.Random:
    """A random generator from a seed of any type."""
    return random.Random(str(seed))  # noqa: S311 - no secrets

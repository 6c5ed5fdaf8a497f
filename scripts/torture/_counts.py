"""What an attack counts."""

import collections
import dataclasses
import random
import time
from collections.abc import Iterator


@dataclasses.dataclass
class Counts:
    """Attempts by their outcome, and the defects among them.

    Attributes:
        outcomes: how often each was seen; every one is defined, or is told as a defect too.
        defects: a line for each, with what makes it again.
    """

    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    defects: list[str] = dataclasses.field(default_factory=list)

    def add(self, outcome: str, count: int = 1) -> None:
        """Count attempts that ended as is defined."""
        self.outcomes[outcome] += count

    def defect(self, what: str, text: str) -> None:
        """Count an attempt that ended otherwise."""
        self.outcomes[f"{what}: DEFECT"] += 1
        self.defects.append(f"{what}: {' '.join(text.split())[:400]}")

    @property
    def attempts(self) -> int:
        """How many there were."""
        return self.outcomes.total()


def until(seconds: float) -> Iterator[int]:
    """0, 1, 2 and so on until the time is over; 0 in any case."""
    end, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1


def rng_of(seed: object) -> random.Random:
    """Random numbers that the same seed, of whatever type, gives again."""
    return random.Random(str(seed))  # noqa: S311 - no secrets

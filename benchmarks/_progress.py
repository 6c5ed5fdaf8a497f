"""How far a run is and how long it still takes: one line that changes on a terminal, a line a stage elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

_WIDTH = 24  # of the bar


class Progress:
    """Stages with steps, one after another; the plan's seconds are guesses that the steps done correct.

    Args:
        later: about how many seconds come after the stages that will be planned.
        out: where it is told.
        clock: of the time.
    """

    def __init__(
        self, later: float = 0.0, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._later = later
        self._out = out or sys.stderr
        self._clock = clock
        self._terminal = self._out.isatty()
        self._stages: dict[str, float] = {}
        self._stage = ""
        self._steps, self._begun, self._start = 0, 0, clock()

    def plan(self, stages: Mapping[str, float], later: float | None = None) -> None:
        """What will come, and about how many seconds each takes; and all that comes after it, if that changed."""
        self._stages = dict(stages)
        self._later = self._later if later is None else later

    def stage(self, name: str, steps: int) -> None:
        """A stage of the plan begins, with so many steps."""
        self._stages.pop(self._stage, None)
        self._stage, self._steps, self._begun, self._start = name, steps, 0, self._clock()
        if not self._terminal:
            self._print(f"{name}{self._left()}\n")

    def step(self, what: str) -> None:
        """A step begins; the one before it is done."""
        self._begun = min(self._begun + 1, self._steps)
        if self._terminal:
            filled = round((self._begun - 1) / self._steps * _WIDTH)
            bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}]"
            self._print(f"\r\x1b[K{bar} {self._stage}: {what}{self._left()}")

    def note(self, text: str) -> None:
        """A line that stays."""
        self._print(f"{self._clear()}{text}\n")

    def close(self) -> None:
        """The line that changes is not needed any more."""
        self._print(self._clear())

    def seconds_left(self) -> float:
        """About how long it still takes."""
        planned = self._stages.get(self._stage, 0.0)
        done = max(0, self._begun - 1)
        left = (self._clock() - self._start) / done * (self._steps - done) if done else planned
        return left + sum(self._stages.values()) - planned + self._later

    def _left(self) -> str:
        seconds = self.seconds_left()
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"

    def _clear(self) -> str:
        return "\r\x1b[K" if self._terminal else ""

    def _print(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()

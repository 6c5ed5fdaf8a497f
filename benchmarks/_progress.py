"""Progress on stderr: a tqdm bar for each stage on a terminal, a line for each stage elsewhere."""

import sys
from typing import TextIO

from tqdm import tqdm


class Progress:
    """Display stages, one after another, and the steps of each.

    Args:
        out: where to write; stderr by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._bar = tqdm(disable=True)

    def stage(self, name: str, steps: int) -> None:
        """Start a stage."""
        self.close()
        if not self._out.isatty():
            self.note(name)
        self._bar = tqdm(total=steps, desc=name, file=self._out, leave=False, dynamic_ncols=True, disable=None)

    def step(self, what: str) -> None:
        """Start a step of the stage."""
        self._bar.set_postfix_str(what, refresh=False)
        self._bar.update()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(text, file=self._out)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

"""Types of options that several questions have."""

import argparse
from collections.abc import Callable, Collection


def minutes_of(text: str) -> float:
    """Parse the time of a training, in minutes."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 1440:
        raise argparse.ArgumentTypeError(f"expected minutes above 0, at most 1440, found {text!r}")
    return minutes


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a parser of one of some names; ``choices`` of argparse would reject an empty list."""

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, found {text!r}")
        return text

    return parse

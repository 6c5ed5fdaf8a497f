"""Types of options that several questions have."""

import argparse
from collections.abc import Callable, Collection


def count_of(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def time_of(unit: str, most: int) -> Callable[[str], float]:
    """Return a parser of a time above 0, at most ``most``, in a unit such as minutes."""

    def parse(text: str) -> float:
        try:
            time = float(text)
        except ValueError:
            time = 0.0
        if not 0 < time <= most:
            raise argparse.ArgumentTypeError(f"expected {unit} above 0, at most {most}, found {text!r}")
        return time

    return parse


minutes_of = time_of("minutes", 1440)  # of a training
seconds_of = time_of("seconds", 3600)  # of a contender in a round


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a parser of one of some names; ``choices`` of argparse would reject an empty list."""

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, found {text!r}")
        return text

    return parse

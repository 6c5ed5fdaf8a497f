"""Whole numbers that callers hand in, Python's or NumPy's."""

from typing import Any

import numpy as np

from ._errors import InputError


def is_whole(value: Any) -> bool:
    """Whether ``value`` is a whole number; a bool is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole(name: str, value: Any, low: int) -> int:
    """``value`` as a Python number, which cannot overflow as NumPy's do.

    Raises:
        InputError: it is no whole number, or below ``low``; ``name`` is what the message calls it.
    """
    if not is_whole(value) or value < low:
        raise InputError(f"{name} must be a whole number of at least {low}; found {value!r}")
    return int(value)

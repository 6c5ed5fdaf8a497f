"""Environment variables that a library reads when it is imported, changed meanwhile and put back."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BACKEND = "MPLBACKEND"


@contextmanager
def environment(name: str, value: str | None) -> Iterator[None]:
    """Give an environment variable a value, or none, within the block."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextmanager
def any_matplotlib_backend() -> Iterator[None]:
    """Let the block import Matplotlib, which refuses an ``MPLBACKEND`` that is not installed, as a notebook's.

    Where Matplotlib knows the backend, it has it after the block.
    """
    backend = os.environ.get(_BACKEND)
    if not backend or "matplotlib" in sys.modules:
        yield
        return
    with environment(_BACKEND, None):
        yield
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend

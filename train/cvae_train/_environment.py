"""Temporary changes of environment variables that libraries read on import."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BACKEND = "MPLBACKEND"


@contextmanager
def environment(name: str, value: str | None) -> Iterator[None]:
    """Set an environment variable within the block, or unset it if the value is None."""
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
    """Let the block import Matplotlib even if ``MPLBACKEND`` names a backend that is not installed.

    Subprocesses inherit this variable from a notebook. After the block, Matplotlib uses the backend if it knows it.
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

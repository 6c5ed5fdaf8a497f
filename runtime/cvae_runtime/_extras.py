"""Answers a missing optional dependency with the one line that installs it."""

import importlib
from types import ModuleType

from ._errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import and return ``module``.

    Raises:
        MissingExtraError: it is not installed; the message names the extra of cvae-toolkit that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise  # it is installed, and something that it needs itself is broken: hiding that would mislead
        raise MissingExtraError(
            f"{module} is not installed; it comes with: pip install 'cvae-toolkit[{extra}]'"
        ) from error

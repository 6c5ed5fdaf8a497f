"""Answers a missing optional dependency with the one line that installs it."""

import importlib
from types import ModuleType

from .._errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import and return ``module``.

    Raises:
        MissingExtraError: it is not installed; the message names the extra of cvae-toolkit that brings it.
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise  # it is installed, and something that it needs itself is broken: hiding that would mislead
        raise MissingExtraError(
            f"{module} is not installed; install it with: pip install 'cvae-toolkit[{extra}]'"
        ) from error
    if (spec := getattr(found, "__spec__", None)) is not None and spec.origin is None:
        # Python takes any folder of that name for a package. pip leaves one when it removes one of two distributions
        # with the same files, and takes the other for installed.
        raise MissingExtraError(
            f"{module} is only partly installed; install it with: pip install --force-reinstall --no-deps {module}"
        )
    return found

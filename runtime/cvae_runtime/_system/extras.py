"""Import optional dependencies; the error for a missing one contains the command that installs it."""

import importlib
from types import ModuleType

from .._errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import and return ``module``.

    Raises:
        MissingExtraError: it is not installed; the message names the extra of cvae-toolkit that installs it.

    Examples:
        >>> system.require("onnxruntime", extra="cpu").__name__
        'onnxruntime'
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise  # it is installed, but one of its own dependencies is missing
        raise MissingExtraError(
            f"{module} is not installed; install it with: pip install 'cvae-toolkit[{extra}]'"
        ) from error
    if (spec := getattr(found, "__spec__", None)) is not None and spec.origin is None:
        # Python imports any folder of this name as a namespace package. pip leaves one when it removes one of two
        # distributions with the same files, and still lists the other.
        raise MissingExtraError(
            f"{module} is only partly installed; install it with: pip install --force-reinstall --no-deps {module}"
        )
    return found

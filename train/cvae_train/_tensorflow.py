"""Import TensorFlow and Keras without their log output, and restore global settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from cvae_runtime import InputError, MissingExtraError
from cvae_runtime.system import require, suppress_native_stderr

from ._environment import any_matplotlib_backend, environment

# The newest Python that TensorFlow is tested on; the extra `train` in pyproject.toml has the same bound.
_NEWEST_PYTHON = (3, 13)


def import_tensorflow(*, verbose: bool = False, extra: str = "train") -> ModuleType:
    """Import TensorFlow, and Keras with the TensorFlow backend, regardless of ``KERAS_BACKEND`` and ``keras.json``.

    Args:
        verbose: show the log output of TensorFlow's C++ code.
        extra: the extra to name in errors.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        InputError: Keras was imported earlier with another backend, or cannot read its ``keras.json``.

    Examples:
        >>> cvae_train.import_tensorflow().__name__
        'tensorflow'
    """
    if verbose:
        return _import(extra)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress_native_stderr():
        return _import(extra)


def _import(extra: str) -> ModuleType:
    # TensorFlow imports Keras, and Keras imports Matplotlib.
    with environment("KERAS_BACKEND", "tensorflow"), any_matplotlib_backend():
        try:
            tensorflow, keras = _require("tensorflow", extra), _require("keras", extra)
        except (AssertionError, AttributeError, TypeError, ValueError) as error:
            settings = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "keras.json")
            if not settings.is_file():
                raise
            raise InputError(
                f"{settings}: expected valid settings of Keras, found {error!r}; fix or remove the file"
            ) from error
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(
            f"Keras: expected the backend tensorflow, found {backend}; "
            f"set KERAS_BACKEND=tensorflow before Keras is imported"
        )
    return tensorflow


def _require(module: str, extra: str) -> ModuleType:
    try:
        return require(module, extra)
    except MissingExtraError as error:
        if sys.version_info[:2] <= _NEWEST_PYTHON:
            raise
        newest, found = (".".join(map(str, version[:2])) for version in (_NEWEST_PYTHON, sys.version_info))
        raise MissingExtraError(
            f"{module}: expected Python 3.11 to {newest}, found {found}; "
            f"install cvae-toolkit[{extra}] with a supported Python"
        ) from error


@contextmanager
def op_determinism(enable: bool) -> Iterator[None]:
    """Run the block with TensorFlow's op determinism if ``enable``, and restore the previous setting afterwards.

    With op determinism left on, the caller's own ``tf.random.normal`` would raise, since there is no global seed.
    """
    from tensorflow.python.framework import config  # the public API cannot disable it

    if not enable or config.is_op_determinism_enabled():
        yield
        return
    config.enable_op_determinism()
    try:
        yield
    finally:
        config.disable_op_determinism()

"""TensorFlow and Keras as guests: imported without their chatter, and global settings put back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from cvae_runtime import CvaeError, InputError
from cvae_runtime.system import require

from ._environment import any_matplotlib_backend, environment


def import_tensorflow(*, verbose: bool = False, extra: str = "train") -> ModuleType:
    """Import TensorFlow, and Keras on it whatever ``KERAS_BACKEND`` and ``keras.json`` say.

    Args:
        verbose: show what TensorFlow's C++ side logs meanwhile.
        extra: what errors name.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        InputError: Keras was imported before on another backend, or cannot read its ``keras.json``.
    """
    if verbose:
        return _import(extra)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with hushed():
        return _import(extra)


def _import(extra: str) -> ModuleType:
    # TensorFlow imports Keras, and Keras Matplotlib.
    with environment("KERAS_BACKEND", "tensorflow"), any_matplotlib_backend():
        try:
            tensorflow, keras = require("tensorflow", extra), require("keras", extra)
        except (AssertionError, AttributeError, TypeError, ValueError) as error:
            settings = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "keras.json")
            if not settings.is_file():
                raise
            raise InputError(
                f"{settings}: expected settings that Keras can be imported with, found {error!r}; correct or remove the file"
            ) from error
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(
            f"Keras: expected the backend tensorflow, found {backend}; "
            f"set KERAS_BACKEND=tensorflow before Keras is imported"
        )
    return tensorflow


@contextmanager
def hushed() -> Iterator[None]:
    """Drop what C++ code writes to stderr within the block; where the block fails it is printed after all.

    On a machine without a GPU, TensorFlow logs a dozen lines about one when it is imported and first used, straight to
    the file descriptor and past every log level that it reads.
    """
    if sys.stderr is None:  # a program without a console
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except CvaeError:  # says all that there is to say
            raise
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def op_determinism(wanted: bool) -> Iterator[None]:
    """Run a block with TensorFlow's op determinism, where it is wanted, and leave it as it was before.

    Left on, it would make the caller's own ``tf.random.normal`` fail: it refuses to draw without a global seed.
    """
    from tensorflow.python.framework import config  # only switching on is public

    if not wanted or config.is_op_determinism_enabled():
        yield
        return
    config.enable_op_determinism()
    try:
        yield
    finally:
        config.disable_op_determinism()

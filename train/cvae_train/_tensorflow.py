"""TensorFlow as a guest: imported without its chatter, and its global settings put back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from cvae_runtime import require


def import_tensorflow(*, verbose: bool = False, extra: str = "train") -> ModuleType:
    """Import TensorFlow, dropping what its C++ side logs meanwhile unless ``verbose``; ``extra`` is what errors name.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    if verbose:
        return require("tensorflow", extra)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with hushed():
        return require("tensorflow", extra)


@contextmanager
def hushed() -> Iterator[None]:
    """Drop what C++ code writes to stderr within the block; where the block fails it is printed after all.

    On a machine without a GPU, TensorFlow logs a dozen lines about one when it is imported and first used, straight to
    the file descriptor and past every log level that it reads.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
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

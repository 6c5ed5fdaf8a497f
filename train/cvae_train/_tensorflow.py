"""TensorFlow as a guest: imported without its chatter, and its global settings put back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from cvae_runtime import require


def import_tensorflow(*, verbose: bool = False, extra: str = "train") -> ModuleType:
    """Import TensorFlow and wake its devices, dropping what its C++ side logs meanwhile unless ``verbose``.

    On a machine without a GPU it logs a dozen lines about one, straight to the file descriptor and past every log
    level that it reads. When the import fails they are printed after all. ``extra`` is what an error names.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    if verbose:
        return _import(extra)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            return _import(extra)
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


def _import(extra: str) -> ModuleType:
    tensorflow = require("tensorflow", extra)
    tensorflow.config.list_logical_devices()
    return tensorflow

"""Importing TensorFlow without its chatter."""

import os
import sys
import tempfile
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


def _import(extra: str) -> ModuleType:
    tensorflow = require("tensorflow", extra)
    tensorflow.config.list_logical_devices()
    return tensorflow

"""Importing TensorFlow without its chatter."""

import os
import sys
import tempfile
from types import ModuleType

from cvae_runtime import require


def import_tensorflow(*, verbose: bool = False) -> ModuleType:
    """Import TensorFlow and wake its devices, dropping what its C++ side logs meanwhile unless ``verbose``.

    On a machine without a GPU it logs a dozen lines about one, straight to the file descriptor and past every log
    level that it reads. When the import fails they are printed after all.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    if verbose:
        return _import()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            return _import()
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _import() -> ModuleType:
    tensorflow = require("tensorflow", "train")
    tensorflow.config.list_logical_devices()
    return tensorflow

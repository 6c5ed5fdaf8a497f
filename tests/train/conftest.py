import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from cvae_train import import_tensorflow

import_tensorflow()


@pytest.fixture
def write_idx():
    """A function that writes an IDX file, compressed where the name ends in .gz."""

    def write(path: Path, array: np.ndarray, *, magic: int | None = None, cut: int = 0) -> Path:
        magic = (0x08 << 8 | array.ndim) if magic is None else magic
        data = struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()
        data = data[: len(data) - cut]
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write

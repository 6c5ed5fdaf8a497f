"""Read IDX files, the format of MNIST and related data sets, plain or gzip-compressed.

A file has a big-endian header, then the values in row-major order. The header has two zero bytes, a type code, the
number of dimensions, and each dimension as a 32-bit integer.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError
from .._system import refuse_size, refuse_special
from .file_kind import GZIP

_UINT8 = 0x08
_READ_AT_A_TIME = 1 << 24  # bytes


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    Args:
        path: the file, plain or gzip-compressed, with any name.
        dimensions: expected number of dimensions: 3 for images, 1 for labels.

    Returns:
        uint8, with the header's shape.

    Raises:
        InputError: the file cannot be read, is not an IDX file of bytes with this number of dimensions, is cut
            short, or has more values than its header states.

    Examples:
        >>> _ = Path("labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))  # a header, and three labels
        >>> images.read_idx(Path("labels"), dimensions=1).tolist()
        [7, 2, 1]
    """
    magic = (_UINT8 << 8) | dimensions
    header = 4 + 4 * dimensions
    refuse_special(path)
    try:
        with _open(path) as file:
            head = file.read(header)
            if len(head) >= 4 and (found := struct.unpack(">I", head[:4])[0]) != magic:
                raise InputError(
                    f"{path}: not an IDX file of {dimensions}-dimensional bytes: expected the magic number "
                    f"0x{magic:08x}, found 0x{found:08x}; check that the file is what its name says"
                )
            if len(head) < header:
                raise InputError(_cut_short(path, header, len(head)))
            shape = struct.unpack(f">{dimensions}I", head[4:])
            size = math.prod(shape)
            data = _read(file, size, path)
            if len(data) < size:
                raise InputError(_cut_short(path, header + size, header + len(data)))
            if file.read(1):
                raise InputError(
                    f"{path}: longer than its header states: expected {header + size:,} bytes for shape {shape}, "
                    f"found more; get the file again"
                )
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}; get the file again") from error
    try:
        return np.frombuffer(data, np.uint8).reshape(shape)
    except ValueError as error:  # no values, in a shape too large for NumPy: 0 x 2^32 x 2^32
        raise InputError(f"{path}: no array has its header's shape {shape}; get the file again") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def _read(file: IO[bytes], size: int, path: Path) -> bytes:
    """Read at most ``size`` bytes; memory use follows the data read, not the size that a header claims."""
    parts = []
    while size > 0 and (part := file.read(min(size, _READ_AT_A_TIME))):
        parts.append(part)
        size -= len(part)
        refuse_size(str(path), _READ_AT_A_TIME + sum(map(len, parts)))  # join() takes the size of the parts again
    return b"".join(parts)


def _cut_short(path: Path, expected: int, found: int) -> str:
    return f"{path}: cut short: expected {expected:,} bytes, found {found:,}; get the file again"

"""Check that a file is a whole shard, by its size, header and rows; no sample is decoded.

The checks detect truncated, empty and exchanged files. They do not detect changed values in a whole file.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .._errors import InputError
from .._images import write_npy_header
from .._system import require
from .shard_formats import picture_name

_BLOCK, _RECORD = 512, 10_240  # bytes: of a tar's header; its size is a multiple of the record

# Arguments: the open file, its size in bytes, the samples' indices, dtype and shape (H, W, C) of a sample.
_Check = Callable[[BinaryIO, int, range, str, tuple[int, int, int]], bool]


def is_whole_shard(path: Path, file_format: str, indices: range, dtype: str, shape: tuple[int, int, int]) -> bool:
    """Whether a shard exists and is whole.

    Args:
        path: the shard.
        file_format: one of `SHARD_FORMATS`.
        indices: indices of its samples.
        dtype, shape: dtype and shape (H, W, C) of a sample.

    Raises:
        InputError: the path is a folder, a link, a pipe or a device.
    """
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_symlink() or not path.is_file():
        found = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path}: expected a shard, found {found}; move it elsewhere")
    with path.open("rb", buffering=0) as file:
        try:
            return _CHECKS[file_format](file, path.stat().st_size, indices, dtype, shape)
        except Exception:  # parsing a damaged file can raise anything
            return False


def _is_whole_npy(file: BinaryIO, size: int, indices: range, dtype: str, shape: tuple[int, int, int]) -> bool:
    header, full = BytesIO(), (len(indices), *shape)
    write_npy_header(header, np.dtype(dtype), full)
    begin = header.getvalue()
    return size == len(begin) + np.dtype(dtype).itemsize * int(np.prod(full)) and file.read(len(begin)) == begin


def _is_whole_tar(file: BinaryIO, size: int, indices: range, dtype: str, shape: tuple[int, int, int]) -> bool:  # noqa: ARG001
    offset = 0
    for index in indices:
        file.seek(offset)
        header = file.read(_BLOCK)
        if header[:100].rstrip(b"\0") != picture_name(index).encode():
            return False
        offset += _BLOCK + -(-int(header[124:135], 8) // _BLOCK) * _BLOCK
    if size != -(-(offset + 2 * _BLOCK) // _RECORD) * _RECORD:
        return False
    file.seek(offset)
    return file.read(size - offset) == bytes(size - offset)


def _is_whole_parquet(file: BinaryIO, size: int, indices: range, dtype: str, shape: tuple[int, int, int]) -> bool:  # noqa: ARG001
    metadata = require("pyarrow.parquet", "parquet").read_metadata(file)
    first, last = (metadata.row_group(i).column(0).statistics for i in (0, metadata.num_row_groups - 1))
    return bool(metadata.num_rows == len(indices) and first.min == indices[0] and last.max == indices[-1])


_CHECKS: Mapping[str, _Check] = {"npy": _is_whole_npy, "parquet": _is_whole_parquet, "tar": _is_whole_tar}

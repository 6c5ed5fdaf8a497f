"""What a table of codes can be: columns in a Parquet file or arrays in an ``.npz`` archive, each written a batch at a time.

The same columns give the same bytes: there are no dates in them.
"""

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from .._images import write_npy_header
from .._system import require
from .codes import Columns
from .parquet import write_tables

_COPIED_AT_A_TIME = 1 << 20  # bytes

CodeWriter = Callable[[BinaryIO, Iterable[Columns]], None]


def _write_parquet(file: BinaryIO, batches: Iterable[Columns]) -> None:
    """A row group a batch; what is (N, L) becomes lists of L values."""
    arrow = require("pyarrow", "parquet")

    def column(values: NDArray[Any]) -> Any:
        if values.ndim == 1:
            return arrow.array(values)
        return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])

    write_tables(file, (arrow.table({name: column(values) for name, values in batch.items()}) for batch in batches))


def _write_npz(file: BinaryIO, batches: Iterable[Columns]) -> None:
    """An array a column. An archive holds one after the other: until the last batch they grow in files without a name."""
    folder = Path(file.name).parent  # where there is room; the system's folder for temporary files may lie in memory
    with contextlib.ExitStack() as stack:
        parts: dict[str, tuple[BinaryIO, NDArray[Any]]] = {}  # and the first batch, for dtype and shape
        count = 0
        for batch in batches:
            for name, values in batch.items():
                if name not in parts:
                    parts[name] = stack.enter_context(tempfile.TemporaryFile(dir=folder)), values
                parts[name][0].write(values.tobytes())
            count += len(values)
        with zipfile.ZipFile(file, "w") as archive:
            for name, (part, values) in parts.items():
                # ZipInfo's own date is fixed.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    write_npy_header(member, values.dtype, (count, *values.shape[1:]))
                    part.seek(0)
                    shutil.copyfileobj(part, member, _COPIED_AT_A_TIME)


CODE_FORMATS: Mapping[str, CodeWriter] = {"npz": _write_npz, "parquet": _write_parquet}

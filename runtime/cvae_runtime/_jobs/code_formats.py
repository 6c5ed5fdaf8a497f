"""Write tables of codes a batch at a time, as columns of a Parquet file or as arrays of an ``.npz`` archive.

The same columns give the same bytes: the files contain no dates.
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
    """Write each batch as a row group; (N, L) becomes a column of lists of L values."""
    arrow = require("pyarrow", "parquet")

    def column(values: NDArray[Any]) -> Any:
        if values.ndim == 1:
            return arrow.array(values)
        return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])

    write_tables(file, (arrow.table({name: column(values) for name, values in batch.items()}) for batch in batches))


def _write_npz(file: BinaryIO, batches: Iterable[Columns]) -> None:
    """Write each column as an array.

    An archive stores one array after the other, so the columns grow in temporary files until the last batch.
    """
    folder = Path(file.name).parent  # the disk of the output; the system's temporary folder may be in memory
    with contextlib.ExitStack() as stack:
        columns: dict[str, tuple[BinaryIO, NDArray[Any]]] = {}  # temporary file; first batch, for dtype and shape
        count = 0
        for batch in batches:
            for name, values in batch.items():
                if name not in columns:
                    columns[name] = stack.enter_context(tempfile.TemporaryFile(dir=folder)), values
                columns[name][0].write(values.tobytes())
            count += len(values)
        with zipfile.ZipFile(file, "w") as archive:
            for name, (column, values) in columns.items():
                # ZipInfo's default date is fixed.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    write_npy_header(member, values.dtype, (count, *values.shape[1:]))
                    column.seek(0)
                    shutil.copyfileobj(column, member, _COPIED_AT_A_TIME)


CODE_FORMATS: Mapping[str, CodeWriter] = {"npz": _write_npz, "parquet": _write_parquet}

"""Write shards a batch at a time, as ``.npy`` arrays, Parquet tables or tar archives of PNG files.

The same samples give the same bytes: the files contain no dates and no owners.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._images import encode_png, write_npy_header
from .._system import require
from .parquet import write_tables

_INDEX_DIGITS = 8  # in names in an archive, at least

Batches = Iterable[NDArray[Any]]
ShardWriter = Callable[[BinaryIO, range, Batches, str | None], None]


def picture_name(index: int) -> str:
    """Name of a sample in a tar archive."""
    return f"{index:0{_INDEX_DIGITS}d}.png"


def _write_npy(file: BinaryIO, indices: range, batches: Batches, label: str | None) -> None:  # noqa: ARG001
    """Write one array (N, H, W, C)."""
    for number, batch in enumerate(batches):
        if number == 0:
            write_npy_header(file, batch.dtype, (len(indices), *batch.shape[1:]))
        file.write(batch.data)


def _write_tar(file: BinaryIO, indices: range, batches: Batches, label: str | None) -> None:  # noqa: ARG001
    """Write each sample as a PNG file, named by its index."""
    import tarfile

    names = iter(indices)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for batch in batches:
            for image in batch:
                data = encode_png(image, optimize=False)
                member = tarfile.TarInfo(picture_name(next(names)))
                member.size = len(data)
                archive.addfile(member, BytesIO(data))


def _write_parquet(file: BinaryIO, indices: range, batches: Batches, label: str | None) -> None:
    """Write the columns ``index``, int64, and ``image``, tensors (H, W, C), with a row group for each batch.

    Samples of a class also have its name in the column ``label``.
    """
    arrow = require("pyarrow", "parquet")

    def tables() -> Iterator[Any]:
        start = indices.start
        for batch in batches:
            index = np.arange(start, start + len(batch), dtype=np.int64)
            columns = {"index": index, "image": arrow.FixedShapeTensorArray.from_numpy_ndarray(batch)}
            yield arrow.table(columns if label is None else {**columns, "label": [label] * len(batch)})
            start += len(batch)

    write_tables(file, tables())


SHARD_FORMATS: Mapping[str, ShardWriter] = {"npy": _write_npy, "parquet": _write_parquet, "tar": _write_tar}

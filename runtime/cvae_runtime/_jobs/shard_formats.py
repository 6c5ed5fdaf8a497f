"""What a shard can be: an array, a table, or an archive of pictures, each written a batch at a time.

The same samples give the same bytes: there are no dates and no owners in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._images import encode_png, write_npy_header
from .._system import require
from .parquet import write_tables

_INDEX_DIGITS = 8  # of a picture's name in an archive; more where an index has more

Batches = Iterable[NDArray[Any]]
ShardWriter = Callable[[BinaryIO, range, Batches], None]


def picture_name(index: int) -> str:
    """A sample's name in an archive."""
    return f"{index:0{_INDEX_DIGITS}d}.png"


def _write_npy(file: BinaryIO, indices: range, batches: Batches) -> None:
    """One array (N, H, W, C)."""
    for number, batch in enumerate(batches):
        if number == 0:
            write_npy_header(file, batch.dtype, (len(indices), *batch.shape[1:]))
        file.write(batch.data)


def _write_tar(file: BinaryIO, indices: range, batches: Batches) -> None:
    """A PNG file a sample, named by its index."""
    import tarfile

    names = iter(indices)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for batch in batches:
            for image in batch:
                data = encode_png(image, optimize=False)
                member = tarfile.TarInfo(picture_name(next(names)))
                member.size = len(data)
                archive.addfile(member, BytesIO(data))


def _write_parquet(file: BinaryIO, indices: range, batches: Batches) -> None:
    """The columns ``index``, int64, and ``image``, a fixed-size list of values with the shape (H, W, C); a row group a batch."""
    arrow = require("pyarrow", "parquet")

    def tables() -> Iterator[Any]:
        start = indices.start
        for batch in batches:
            index = np.arange(start, start + len(batch), dtype=np.int64)
            yield arrow.table({"index": index, "image": arrow.FixedShapeTensorArray.from_numpy_ndarray(batch)})
            start += len(batch)

    write_tables(file, tables())


SHARD_FORMATS: Mapping[str, ShardWriter] = {"npy": _write_npy, "parquet": _write_parquet, "tar": _write_tar}

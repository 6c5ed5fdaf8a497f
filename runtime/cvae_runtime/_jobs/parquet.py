"""Write Parquet files a table at a time."""

from collections.abc import Iterable
from typing import Any, BinaryIO

from .._system import require


def write_tables(file: BinaryIO, tables: Iterable[Any]) -> None:
    """Write at least one Arrow table, all of one schema, each as a row group; the same tables give the same bytes."""
    parquet = require("pyarrow.parquet", "parquet")
    writer = None
    try:
        for table in tables:
            if writer is None:
                # zstd alone compresses pixels well; a dictionary of levels or floats would only cost time.
                writer = parquet.ParquetWriter(file, table.schema, use_dictionary=False, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()

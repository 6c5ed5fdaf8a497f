"""Parquet files, written a table at a time."""

from collections.abc import Iterable
from typing import Any, BinaryIO

from .._system import require


def write_tables(file: BinaryIO, tables: Iterable[Any]) -> None:
    """Write Arrow tables of one schema, at least one, each as a row group; the same tables give the same bytes."""
    parquet = require("pyarrow.parquet", "parquet")
    writer = None
    try:
        for table in tables:
            if writer is None:
                # Grey levels compress to a fraction; a dictionary of them or of floats would only cost time.
                writer = parquet.ParquetWriter(file, table.schema, use_dictionary=False, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()

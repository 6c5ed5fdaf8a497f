"""Formats of tables of codes: content, and reproducible bytes."""

import tempfile

import numpy as np
import pytest
from pyarrow import parquet

from cvae_runtime._jobs.code_formats import CODE_FORMATS
from cvae_runtime._system.atomic import new_file

RNG = np.random.default_rng(0)
COLUMNS = {
    "index": np.arange(25),
    "path": np.array([f"ü{'b' * (i // 5)}/{i}.png" for i in range(25)]),
    "mean": RNG.normal(size=(25, 3)).astype(np.float32),
    "elbo": RNG.normal(size=25),
}


def batches(size):
    return [{name: column[start : start + size] for name, column in COLUMNS.items()} for start in range(0, 25, size)]


def written(path, file_format, size=10):
    with new_file(path) as file:
        CODE_FORMATS[file_format](file, iter(batches(size)))
    return path


@pytest.mark.parametrize("size", [1, 10, 25])
def test_an_npz_has_an_array_for_each_column(size, tmp_path):
    path = written(tmp_path / "codes.npz", "npz", size)
    with np.load(path) as archive:
        assert archive.files == list(COLUMNS)
        for name, column in COLUMNS.items():
            assert archive[name].dtype == column.dtype
            np.testing.assert_array_equal(archive[name], column)
    assert list(tmp_path.iterdir()) == [path]
    assert written(tmp_path / "again.npz", "npz").read_bytes() == path.read_bytes()  # whatever the batches were


def test_temporary_columns_are_on_the_output_s_disk(tmp_path, monkeypatch):
    folders, temporary = [], tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **how: folders.append(how["dir"]) or temporary(**how))
    written(tmp_path / "codes.npz", "npz")
    assert folders == [tmp_path] * 4


def test_parquet_has_fixed_size_lists_and_row_groups(tmp_path):
    path = written(tmp_path / "codes.parquet", "parquet")
    table = parquet.read_table(path)
    assert table.schema.names == list(COLUMNS)
    assert [str(kind) for kind in table.schema.types] == [
        "int64",
        "string",
        "fixed_size_list<element: float>[3]",
        "double",
    ]
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 5]
    mean = table["mean"].combine_chunks().flatten().to_numpy().reshape(25, 3)
    np.testing.assert_array_equal(mean, COLUMNS["mean"])
    for name in ("index", "path", "elbo"):
        assert table[name].to_pylist() == COLUMNS[name].tolist()
    assert written(tmp_path / "again.parquet", "parquet").read_bytes() == path.read_bytes()

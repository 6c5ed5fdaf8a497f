"""Tables of labels in folders of images: ``labels.csv`` or ``labels.parquet``."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cvae_runtime import InputError
from cvae_runtime.system import require

from .splits import FOLDER, few

_COLUMNS = ("path", "label")


def label_table(folder: Path, inside: Mapping[str, str]) -> Path | None:
    """Find the table of labels in a folder; None if it has none.

    Args:
        folder: the folder of images.
        inside: its entries, see `list_folder`.

    Raises:
        InputError: there are two tables.
    """
    tables = [name for name in _READERS if inside.get(name, FOLDER) != FOLDER]
    if len(tables) > 1:
        raise InputError(f"{folder}: expected one table of labels, found {' and '.join(tables)}; remove one of them")
    return folder / tables[0] if tables else None


def read_label_table(table: Path, images: Sequence[str], used: Iterable[str]) -> dict[str, str]:
    """Read the class of each image of a folder.

    Args:
        table: a file with the columns ``path``, relative to the folder, and ``label``.
        images: paths of the images in the folder, with slashes.
        used: paths of the images that need a class.

    Returns:
        The class of each image that has a row, by its path.

    Raises:
        InputError: the table is damaged or lacks a column, has several rows for an image or a row for none, or an image
            that needs a class has none.
    """
    rows = _READERS[table.name](table)
    labels = {path: label for path, label in rows if label}
    if len(rows) > len(dict(rows)):
        repeated = [path for path, count in Counter(path for path, _ in rows).items() if count > 1]
        raise InputError(
            f"{table}: expected one row for each image, found several for {_count(repeated, 'image')}; remove the others"
        )
    if unknown := sorted({path for path, _ in rows}.difference(images)):
        raise InputError(
            f"{table}: expected the path of an image in every row, found {_count(unknown, 'path')} without an image; "
            f"remove these rows, or add the images"
        )
    if unlabelled := [name for name in used if name not in labels]:
        raise InputError(
            f"{table}: expected a label for every image, found none for {_count(unlabelled, 'image')}; add their rows"
        )
    return labels


def _count(names: Sequence[str], what: str) -> str:
    return f"{len(names):,} {what}{'s' * (len(names) != 1)} ({few(names)})"


def _read_csv(table: Path) -> list[tuple[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(csv.reader(file, skipinitialspace=True, strict=True), table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read as CSV in UTF-8: {error}; write the table again") from error


def _rows(lines: Any, table: Path) -> Iterator[tuple[str, str]]:
    header: list[str] = next(lines, [])
    path, label = (_column(table, header, name) for name in _COLUMNS)
    names: dict[str, str] = {}
    for line in lines:
        if len(line) not in (0, len(header)):
            raise InputError(
                f"{table}: line {lines.line_num}: expected {len(header)} values, found {len(line)}; put values with "
                f"commas in quotes"
            )
        if line:
            name = line[label].strip()
            yield line[path].removeprefix("./"), names.setdefault(name, name)  # one string for each class


def _column(table: Path, header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        raise InputError(
            f"{table}: expected the columns {' and '.join(_COLUMNS)}, found {', '.join(header) or 'none'}; rename them, "
            f"or rename the file to leave the classes out"
        )
    return header.index(name)


def _read_parquet(table: Path) -> list[tuple[str, str]]:
    parquet = require("pyarrow.parquet", "parquet")
    try:
        with table.open("rb") as file:
            opened = parquet.ParquetFile(file)
            header = opened.schema_arrow.names
            for name in _COLUMNS:
                _column(table, header, name)
            columns = opened.read(list(_COLUMNS)).to_pydict()
    except InputError:
        raise
    except Exception as error:  # of pyarrow, of many types
        raise InputError(f"{table}: cannot be read as Parquet: {error}; write the table again") from error
    names: dict[Any, str] = {None: ""}
    for values, types in ((columns["path"], (str,)), (columns["label"], (str, int))):
        for value in values:
            if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
                expected = "strings as paths" if types == (str,) else "integers or strings as labels"
                raise InputError(f"{table}: expected {expected}, found {value!r}; convert the column")
    names |= {value: str(value).strip() for value in set(columns["label"]) - {None}}
    return [
        ((path or "").removeprefix("./"), names[label])
        for path, label in zip(columns["path"], columns["label"], strict=True)
    ]


_READERS = {"labels.csv": _read_csv, "labels.parquet": _read_parquet}

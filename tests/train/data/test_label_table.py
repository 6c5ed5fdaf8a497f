"""Tables of labels: `labels.csv` and `labels.parquet` in a folder of images."""

import csv
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cvae_runtime import InputError
from cvae_train import DataOptions, load_data
from cvae_train._data.dataset import load_test
from cvae_train._data.label_table import read_label_table
from tests.train.data.reading import refusal

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1)
GREY = DataOptions(channels=1)


@pytest.fixture
def folder(tmp_path):
    """A folder of six images in two folders."""
    for number in range(6):
        path = tmp_path / "set" / "xy"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 10 * number).save(path)
    return tmp_path / "set"


PATHS = ["x/0.png", "y/1.png", "x/2.png", "y/3.png", "x/4.png", "y/5.png"]


def write_csv(folder, rows, header=("path", "label")):
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return table


def write_parquet(folder, rows, kind=None):
    table, rows = folder / "labels.parquet", list(rows)
    paths, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({"label": pa.array(labels, kind), "other": [0.0] * len(rows), "path": paths}), table)
    return table


def by_image(data):
    """The name of each image's class, by its grey level."""
    parts = ((data.train, data.labels.train), (data.test, data.labels.test))
    return {
        int(image[0, 0, 0]): data.labels.names[label]
        for images, labels in parts
        for image, label in zip(images, labels, strict=True)
    }


def test_a_table_takes_precedence_over_class_folders(folder):
    assert load_data(folder, GREY).labels.names == ("x", "y")
    write_csv(folder, zip(PATHS, "cdcdcc", strict=True))
    data = load_data(folder, GREY)
    assert data.labels.names == ("c", "d")
    assert by_image(data) == {0: "c", 10: "d", 20: "c", 30: "d", 40: "c", 50: "c"}
    assert data.notes == ("a fraction of 0.1 is held out for testing",)


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int8(), pa.string()), pa.int64(), pa.uint8()])
def test_parquet(folder, kind):
    labels = [9, 10, 9, 9, 10, 10]
    write_parquet(folder, zip(PATHS, labels if pa.types.is_integer(kind) else map(str, labels), strict=True), kind)
    data = load_data(folder, GREY)
    assert data.labels.names == ("9", "10")
    assert by_image(data) == dict(zip(range(0, 60, 10), map(str, labels), strict=True))


def test_images_in_parts(tmp_path):
    for name in ("train/1.png", "train/2.png", "test/3.png", "4.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    write_csv(tmp_path, [("./test/3.png", "a"), ("train/1.png", " b"), ("train/2.png", "a ")])
    data = load_data(tmp_path)
    assert (data.labels.names, data.labels.train.tolist(), data.labels.test.tolist()) == (("a", "b"), [1, 0], [0])
    assert data.notes[1:] == ("skipped 1 file: 1 outside of these (4.png)",)


def test_an_image_that_cannot_be_read_is_left_out_with_its_label(folder):
    write_csv(folder, zip(PATHS, "abqabb", strict=True))
    (folder / "x/2.png").write_bytes(b"text")
    options = DataOptions(skip_bad=True, test_fraction=0.4)
    data = load_data(folder, options, quiet=True)
    assert by_image(data) == {0: "a", 10: "b", 30: "a", 40: "b", 50: "b"}
    assert data.labels.names == ("a", "b")


def test_files_with_a_byte_order_mark_other_columns_and_blank_lines(folder):
    lines = ["\ufeffid, label, path", *(f'7, "a, b", {path}' for path in PATHS), "", ""]
    (folder / "labels.csv").write_text("\r\n".join(lines), encoding="utf-8")
    assert load_data(folder).labels.names == ("a, b",)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (
            list(zip(PATHS[:2], "ab", strict=True)),
            (
                "expected a label for every image, found none for 4 images (x/2.png, x/4.png, y/3.png and 1 more); add "
                "their rows"
            ),
        ),
        (
            list(zip(PATHS, ["a"] * 5 + [" "], strict=True)),
            "expected a label for every image, found none for 1 image (y/5.png); add their rows",
        ),
        (
            [*zip(PATHS, "abcabc", strict=True), ("z.png", "a"), ("x/4.PNG", "a")],
            (
                "expected the path of an image in every row, found 2 paths (x/4.PNG, z.png) without an image; remove these "
                "rows, or add the images"
            ),
        ),
        (
            [*zip(PATHS, "abcabc", strict=True), ("x/4.png", "b")],
            "expected one row for each image, found several for 1 image (x/4.png); remove the others",
        ),
    ],
)
@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_wrong_rows(folder, rows, found, write):
    table = write(folder, rows)
    assert refusal(folder) == f"{table}: {found}"
    assert len(load_test(folder, DataOptions(), (4, 4, 1))) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "expected the columns path and label, found none; rename them, or rename the file to leave the classes out"),
        (b"id,breed\n1,2\n", "expected the columns path and label, found id, breed; rename them, or rename the file to leave the classes out"),
        (b"path,label,label\n", "expected the columns path and label, found path, label, label; rename them, or rename the file to leave the classes out"),
        (b"path,label\na.png,b,c\n", "line 2: expected 2 values, found 3; put values with commas in quotes"),
        (b"path,label\n\xff,b\n", "cannot be read as CSV in UTF-8: 'utf-8' codec can't decode byte 0xff in position 11: invalid start byte; write the table again"),
        (b'path,label\n"a,b\n', "cannot be read as CSV in UTF-8: unexpected end of data; write the table again"),
    ],
)  # fmt: skip
def test_wrong_csv(folder, content, found):
    table = folder / "labels.csv"
    table.write_bytes(content)
    assert refusal(folder) == f"{table}: {found}"


def test_wrong_parquet(folder):
    table = folder / "labels.parquet"
    table.write_bytes(b"PAR1 and no more")
    assert re.fullmatch(
        re.escape(f"{table}: cannot be read as Parquet: ") + ".*; write the table again", refusal(folder), re.DOTALL
    )
    pq.write_table(pa.table({"path": PATHS, "class": PATHS}), table)
    assert refusal(folder) == (
        f"{table}: expected the columns path and label, found path, class; rename them, or rename the file to leave the "
        f"classes out"
    )
    pq.write_table(pa.table({"path": PATHS, "label": [0.5] * 6}), table)
    assert refusal(folder) == f"{table}: expected integers or strings as labels, found 0.5; convert the column"
    pq.write_table(pa.table({"path": PATHS, "label": [True] * 6}), table)
    assert refusal(folder) == f"{table}: expected integers or strings as labels, found True; convert the column"
    pq.write_table(pa.table({"path": range(6), "label": PATHS}), table)
    assert refusal(folder) == f"{table}: expected strings as paths, found 0; convert the column"


def test_two_tables(folder):
    rows = list(zip(PATHS, "abcabc", strict=True))
    write_csv(folder, rows), write_parquet(folder, rows)
    assert refusal(folder) == (
        f"{folder}: expected one table of labels, found labels.csv and labels.parquet; remove one of them"
    )


def test_a_table_without_images_is_no_source(tmp_path):
    write_csv(tmp_path, [])
    assert "found a folder without any of them: skipped 1 file: 1 text (labels.csv); leave DATA out" in refusal(
        tmp_path
    )


def test_a_folder_of_that_name_is_no_table(folder):
    (folder / "labels.csv").mkdir()
    assert load_data(folder).labels.names == ("x", "y")


@given(st.dictionaries(TEXT, TEXT, min_size=1), st.sampled_from([write_csv, write_parquet]))
def test_tables_keep_every_label(tmp_path_factory, labels, write):
    table = write(tmp_path_factory.mktemp("set"), [(f"a/{path}", label) for path, label in labels.items()])
    images = [f"a/{path}" for path in labels]
    assert read_label_table(table, images, images) == dict(zip(images, labels.values(), strict=True))


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_images_and_rows_must_agree(tmp_path_factory, images, rows, used):
    names = {number: f"{number}.png" for number in range(31)}
    table = write_csv(tmp_path_factory.mktemp("set"), [(names[number], "a") for number in rows])
    needed = [names[number] for number in images & used]
    arguments = table, [names[number] for number in images], needed
    if rows <= images and images & used <= rows:
        assert read_label_table(*arguments) == {names[number]: "a" for number in rows}
    else:
        with pytest.raises(InputError):
            read_label_table(*arguments)


def test_a_class_that_is_only_held_out(folder):
    test = load_data(folder, GREY).test
    (held,) = (np.unique(test) // 10).tolist()
    write_csv(folder, [(path, "rare" if number == held else "common") for number, path in enumerate(PATHS)])
    assert refusal(folder) == (
        f"{folder}: expected training images of every class, found none of 1 class (rare); add some, or remove all "
        f"images of this class"
    )

"""Files of binarized MNIST."""

import errno
from pathlib import Path

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import DataOptions, load_data
from cvae_train._data.dataset import load_test
from tests.train.data.reading import refusal

RNG = np.random.default_rng(0)
SPLITS = {name: RNG.integers(0, 2, (count, 4, 4)) for name, count in (("train", 5), ("valid", 3), ("test", 2))}
DAMAGED = (
    "expected lines of values 0 and 1 for square images, such as 784 for 28x28 pixels, found others; "
    "download the file again"
)
WRONG_NAMES = (
    "expected .amat files named train and test, and at most one named valid beside them, found {}; "
    "rename or remove the others"
)


def lines(images, *, space=" ", end="\n"):
    return "".join(space.join(map(str, image.ravel())) + end for image in images)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files of all parts."""
    for name, images in SPLITS.items():
        (tmp_path / f"binarized_mnist_{name}.amat").write_text(lines(images))
    return tmp_path


def test_parts_are_read_by_name(folder):
    (folder / "notes").write_text("x")
    (folder / "._binarized_mnist_train.amat").write_bytes(b"\0")
    data = load_data(folder)
    for found, name in ((data.train, "train"), (data.test, "test"), (data.validation, "valid")):
        np.testing.assert_array_equal(found[..., 0], SPLITS[name] * 255)
        assert found.dtype == np.uint8
    assert data.source == str(folder)
    assert data.notes == (
        (
            "binarized_mnist_train.amat is trained on, binarized_mnist_test.amat is the test set, "
            "binarized_mnist_valid.amat is the validation set"
        ),
        "skipped 2 files: 1 hidden (._binarized_mnist_train.amat), 1 text (notes)",
    )


@pytest.mark.parametrize("name", ["valid", "test"])
def test_one_further_part_is_enough(folder, name):
    (folder / f"binarized_mnist_{name}.amat").unlink()
    data = load_data(folder)
    np.testing.assert_array_equal(data.test[..., 0], SPLITS["test" if name == "valid" else "valid"] * 255)
    assert data.validation is None


def test_the_test_part_alone(folder):
    found = load_test(folder, DataOptions(), (4, 4, 1))
    np.testing.assert_array_equal(found[..., 0], SPLITS["test"] * 255)


@pytest.mark.parametrize(
    "text",
    [
        lines(SPLITS["train"]).rstrip("\n"),
        lines(SPLITS["train"], space=""),
        lines(SPLITS["train"], space="\t", end=" \r\n"),
        lines(SPLITS["train"], space="  "),
    ],
    ids=["no last newline", "no spaces", "tabs", "two spaces"],
)
def test_spaces_do_not_matter(folder, text):
    (folder / "binarized_mnist_train.amat").write_bytes(text.encode())
    np.testing.assert_array_equal(load_data(folder).train[..., 0], SPLITS["train"] * 255)


@pytest.mark.parametrize("count", [1, 2])
def test_one_pixel_an_image(tmp_path, count):
    for name in ("train", "test"):
        (tmp_path / f"{name}.amat").write_text("1\n" * count)
    assert load_data(tmp_path).train.tolist() == [[[[255]]]] * count


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n0 1 1 0\n",
        "0 1 1\n",
        "0 1 1 0\n0 1 1\n",
        "0 1 1 0\n0 1 1 0 1\n",
        "0 1 1 0\n\n",
        "0 1 1\n0 0 1 1 0\n",
        "0 1 2 0\n",
        "0 1 0.5 0\n",
        "0 1 1 0\n0 1 1",
        "PK\3\4",
    ],
)
def test_damaged_files(folder, text):
    path = folder / "binarized_mnist_test.amat"
    path.write_text(text)
    assert refusal(folder) == f"{path}: {DAMAGED}"


@pytest.mark.parametrize(
    "names",
    [
        ["a.amat", "b.amat"],
        ["train.amat"],
        ["test.amat", "valid.amat"],
        ["more.amat", "test.amat", "train.amat"],
        ["test.amat", "train.amat", "train_2.amat"],
    ],
)
def test_missing_and_further_files(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text(lines(SPLITS["test"]))
    assert refusal(tmp_path) == f"{tmp_path}: {WRONG_NAMES.format(', '.join(names))}"


def test_a_single_file(folder):
    path = folder / "binarized_mnist_train.amat"
    assert refusal(path) == f"{path}: expected the folder of this file, with a file for training and one for testing"


def test_images_of_two_sizes(folder):
    (folder / "binarized_mnist_test.amat").write_text("0 1 1 0\n")
    with pytest.raises(InputError, match=r"found 2 sizes \(width x height\): 4x4 \(8\), 2x2 \(1\); pass --image-size"):
        load_data(folder)


def test_a_test_fraction(folder):
    assert (
        refusal(folder, DataOptions(test_fraction=0.5)) == f"{folder}: has its own test set; leave --test-fraction out"
    )


def test_no_permission(folder, monkeypatch):
    def read_bytes(_path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)  # root could read the file
    path = folder / "binarized_mnist_test.amat"
    assert refusal(folder) == f"{path}: cannot be read: Permission denied; check its permissions"

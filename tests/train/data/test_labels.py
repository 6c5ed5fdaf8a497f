"""Class labels: their numbers, and where they come from for arrays."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import DataOptions, Dataset, Labels, load_data
from cvae_train._data.dataset import load_test
from cvae_train._data.labels import check_labels, in_order, names_of
from tests.train.data.reading import refusal

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 8, 8), np.uint8)
IDX = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def message(function, *arguments, **keywords):
    with pytest.raises(InputError) as caught:
        function(*arguments, **keywords)
    return str(caught.value)


def listed(labels):
    """The fields of labels as lists."""
    parts = [None if part is None else part.tolist() for part in (labels.train, labels.test, labels.validation)]
    return list(labels.names), *parts


def test_names_are_sorted_and_numbers_by_value():
    labels = Labels.of(["10", "2", "b", "-1", "2"], ["b", "10"], ["2"])
    assert listed(labels) == (["-1", "2", "10", "b"], [2, 1, 3, 0, 1], [3, 2], [1])
    assert {part.dtype for part in (labels.train, labels.test, labels.validation)} == {np.dtype(np.int64)}
    assert in_order(["B", "a", "é", "1a", "01", "1", "٣", "9" * 5000]) == [
        "01",
        "1",
        "1a",
        "9" * 5000,
        "B",
        "a",
        "é",
        "٣",
    ]


@given(st.lists(st.text(min_size=1), min_size=1), st.data())
def test_every_image_keeps_its_name(train, data):
    test = data.draw(st.lists(st.sampled_from(train)))
    labels = Labels.of(train, test)
    assert [labels.names[number] for number in labels.train] == train
    assert [labels.names[number] for number in labels.test] == test
    assert set(labels.names) == set(train)
    assert len(labels.names) == len(set(train))


@given(st.sets(st.integers(-(10**17), 10**17), min_size=1))
def test_integers_are_in_their_order(numbers):
    assert in_order(map(str, numbers)) == [str(number) for number in sorted(numbers)]


def test_a_class_without_training_images():
    assert message(Labels.of, ["a"], ["a", "b"], source="set.npz") == (
        "set.npz: expected training images of every class, found none of 1 class (b); add some, or remove all images of "
        "this class"
    )
    assert message(Labels.of, ["a"], list("bcd"), ["10", "9"]) == (
        "labels: expected training images of every class, found none of 5 classes (9, 10, b and 2 more); add some, or "
        "remove all images of these classes"
    )


def test_empty_names():
    assert message(Labels.of, ["", "a", ""], [""], source="set") == (
        "set: expected the class of every image, found 3 empty names; fill them in"
    )


@pytest.mark.parametrize(
    ("train", "found"),
    [
        ([0.0, 1.0], "expected integers of shape (N,), found float64 of shape (2,); Labels.of numbers names"),
        ([[0], [1]], "expected integers of shape (N,), found int64 of shape (2, 1); Labels.of numbers names"),
        ([0, 2], "expected indices of the 2 names, 0 to 1, found 0 to 2; number the classes from 0"),
        ([-1, 1], "expected indices of the 2 names, 0 to 1, found -1 to 1; number the classes from 0"),
    ],
)
def test_wrong_indices(train, found):
    assert message(Labels, ("a", "b"), np.array(train), np.array([0])) == f"train labels: {found}"


def test_indices_of_any_type_become_int64():
    labels = Labels(("a", "b"), np.array([1, 0], np.uint8), np.array([], np.int32))
    assert (labels.train.dtype, labels.test.dtype, labels.validation) == (np.int64, np.int64, None)


def test_a_data_set_has_a_label_for_each_image():
    labels = Labels.of(["a", "b"], ["a"], ["b"])
    parts = {"train": IMAGES[:2], "test": IMAGES[:1], "validation": IMAGES[:1]}
    data = Dataset(**parts, labels=labels)
    assert data.labels is labels
    assert data.fingerprint == Dataset(**parts).fingerprint
    assert message(Dataset, **parts | {"train": IMAGES}, labels=labels) == (
        "memory: expected 5 train labels, one for each image, found 2; use the labels of the same images"
    )
    assert message(Dataset, **parts | {"validation": None}, labels=labels) == (
        "memory: expected no validation labels, one for each image, found 1; use the labels of the same images"
    )
    assert message(Dataset, **parts, labels=Labels.of(["a", "b"], ["a"])) == (
        "memory: expected 1 validation labels, one for each image, found none; use the labels of the same images"
    )


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.zeros((5, 1), int), "expected labels of shape (5,), found shape (5, 1); use array.ravel()"),
        (
            np.zeros((5, 3), int),
            "expected labels of shape (5,), found shape (5, 3); for one-hot labels use array.argmax(axis=1)",
        ),
        (np.int64(3), "expected labels of shape (5,), found shape (); join its columns to one class"),
        (
            np.zeros(5),
            (
                "expected integers or strings as labels, found float64; convert them, or rename the array to leave the "
                "classes out"
            ),
        ),
        (
            np.zeros(5, bool),
            (
                "expected integers or strings as labels, found bool; convert them, or rename the array to leave the "
                "classes out"
            ),
        ),
        (np.zeros(6, int), "expected 5 labels, one for each image, found 6; use the labels of the same images"),
    ],
)
def test_arrays_that_are_no_labels(values, found):
    assert message(check_labels, np.asarray(values), "y_train", 5) == f"y_train: {found}"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (np.array([3, 12, 3], np.uint8), ["3", "12", "3"]),
        (np.array([-1, 2**40], np.int64), ["-1", str(2**40)]),
        (np.array(["dog", "é", "dog"]), ["dog", "é", "dog"]),
        (np.array([b"dog", "é".encode()]), ["dog", "é"]),
        (np.array([], np.int64), []),
    ],
)
def test_labels_become_names(values, names):
    assert names_of(values, "y") == names


def test_bytes_that_are_no_text():
    assert message(names_of, np.array([b"\xff"]), "y_test") == (
        "y_test: expected labels in UTF-8, found others: 'utf-8' codec can't decode byte 0xff in position 0: invalid "
        "start byte; convert them"
    )


def test_the_embedded_digits():
    labels = load_data().labels
    assert labels.names == tuple("0123456789")
    assert np.bincount(labels.train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert labels.test[:5].tolist() == [7, 2, 1, 0, 4]


def test_arrays_have_no_labels(tmp_path):
    np.save(tmp_path / "set.npy", IMAGES)
    np.savez(tmp_path / "set.npz", IMAGES)
    for source in (IMAGES, (IMAGES, IMAGES[:2]), tmp_path / "set.npy", tmp_path / "set.npz"):
        assert load_data(source).labels is None


@pytest.mark.parametrize(
    "names",
    [("y_train", "y_test", "y_val"), ("train_labels", "test_labels", "validation_labels"), ("targets_train", "TestTarget", "dev_y")],
)  # fmt: skip
def test_arrays_of_an_archive(tmp_path, names):
    labels = (np.array([9, 10, 9, 10, 9]), np.array([10, 9]), np.array([9, 9, 10]))
    images = {"x_train": IMAGES, "x_test": IMAGES[:2], "x_val": IMAGES[:3]}
    np.savez(tmp_path / "set.npz", **images, **dict(zip(names, labels, strict=True)), ids=np.zeros(5))
    data = load_data(tmp_path / "set.npz")
    assert listed(data.labels) == (["9", "10"], [0, 1, 0, 1, 0], [1, 0], [0, 0, 1])
    assert data.notes[1:] == ("skipped 1 arrays: ids",)
    assert data.fingerprint == Dataset(IMAGES, IMAGES[:2], validation=IMAGES[:3]).fingerprint


def test_strings_of_an_archive(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=IMAGES, x_test=IMAGES[:1], y_train=list("aabba"), y_test=["b"])
    assert listed(load_data(tmp_path / "set.npz").labels) == (["a", "b"], [0, 0, 1, 1, 0], [1], None)


def test_labels_of_some_parts_only_are_skipped(tmp_path):
    np.savez(tmp_path / "set.npz", x_train=IMAGES, x_test=IMAGES[:2], x_val=IMAGES, y_train=np.zeros(9), y_test=3)
    data = load_data(tmp_path / "set.npz")
    assert (data.labels, data.notes[1:]) == (None, ("skipped 2 arrays: y_train, y_test",))


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        (
            {"y_train": [0] * 4, "y_test": [0, 0]},
            " y_train: expected 5 labels, one for each image, found 4; use the labels of the same images",
        ),
        (
            {"y_train": [0] * 5, "y_test": [[0], [0]]},
            " y_test: expected labels of shape (2,), found shape (2, 1); use array.ravel()",
        ),
        (
            {"y_train": [0] * 5, "train_labels": [0] * 5, "y_test": [0, 0]},
            " expected one array of train labels, found y_train, train_labels; rename or remove the others",
        ),
        (
            {"y_train": [0] * 5, "y_test": [0, 7]},
            (
                " expected training images of every class, found none of 1 class (7); add some, or remove all images of "
                "this class"
            ),
        ),
    ],
)
def test_wrong_labels_of_an_archive(tmp_path, arrays, found):
    path = tmp_path / "set.npz"
    np.savez(path, x_train=IMAGES, x_test=IMAGES[:2], **arrays)
    assert refusal(path) == f"{path}:{found}"
    np.testing.assert_array_equal(load_test(path, DataOptions(), (8, 8, 1))[..., 0], IMAGES[:2])


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("prefix", ["", "emnist-digits-"])
def test_idx_files(tmp_path, write_idx, ending, prefix):
    for name, labels in zip(IDX, ([4, 11, 4, 11, 4], [11, 4]), strict=True):
        write_idx(tmp_path / f"{prefix}{name}{ending}", IMAGES[: len(labels)])
        of_labels = name.replace("images-idx3", "labels-idx1")
        write_idx(tmp_path / f"{prefix}{of_labels}{ending}", np.array(labels, np.uint8))
    data = load_data(tmp_path)
    assert listed(data.labels) == (["4", "11"], [0, 1, 0, 1, 0], [1, 0], None)
    train, test = (f"{prefix}{name}{ending}" for name in IDX)
    assert data.notes == (f"{train} is trained on, {test} is the test set",)


def test_damaged_idx_files(tmp_path, write_idx):
    train, test = (tmp_path / name.replace("images-idx3", "labels-idx1") for name in IDX)
    for name in IDX:
        write_idx(tmp_path / name, IMAGES)
    write_idx(train, np.zeros(5, np.uint8)), write_idx(test, np.zeros(4, np.uint8))
    assert refusal(tmp_path) == (
        f"{test}: expected 5 labels, one for each image, found 4; use the labels of the same images"
    )
    write_idx(test, np.zeros(5, np.uint8), cut=2)
    assert refusal(tmp_path) == f"{test}: cut short: expected 13 bytes, found 11; get the file again"
    write_idx(test, IMAGES)
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected one IDX file of test images, found {IDX[1]}, {test.name}; put each data set into its own "
        f"folder"
    )
    test.write_bytes(b"words")
    assert refusal(tmp_path).startswith(f"{test}: not an IDX file of 1-dimensional bytes: expected the magic number ")
    test.write_bytes(gzip.compress(b"")[:-9])
    assert refusal(tmp_path).startswith(f"{test}: ")
    test.unlink()
    data = load_data(tmp_path)
    assert (data.labels, data.notes[1]) == (None, f"skipped 1 file: 1 IDX1 ({train.name})")


def test_idx_files_of_labels_of_several_sets(tmp_path, write_idx):
    for name in IDX:
        write_idx(tmp_path / name, IMAGES)
    names = [f"emnist-{kind}-train-labels-idx1-ubyte" for kind in ("digits", "letters")]
    for name in names:
        write_idx(tmp_path / name, np.zeros(5, np.uint8))
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected one IDX file of train labels, found {names[0]}, {names[1]}; put each data set into its "
        f"own folder"
    )

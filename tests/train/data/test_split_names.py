"""Recognition of training, test and validation sets by the names of folders, shards and arrays."""

import pytest

from cvae_train._data.image_folder import splits_of_folders
from cvae_train._data.split_names import (
    names_labels_of_a_split,
    names_only_a_split,
    split_named_by,
    splits_of_siblings,
)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "train") for name in ("train", "Training", "TRAIN", "train2017", "trainset", "seg_train", "trainA")),
        *((name, "test") for name in ("test", "Testing", "tests", "eval", "evaluation", "holdout", "TestSet", "testB")),
        *((name, "validation") for name in ("val", "VAL", "valid", "validation", "dev", "val2017", "Validation Set")),
        ("train-00000-of-00002.tfrecord", "train"),
        ("validation-00001-of-00128", "validation"),
        ("test_pictures-train.tfrecord-0", "train"),
        ("t10k-images.idx3-ubyte", "test"),
        ("emnist-digits-train-images-idx3-ubyte.gz", "train"),
        *((name, None) for name in ("latest", "restrained", "trainer", "valley", "device", "testimony", "cats", "")),
    ],
)
def test_the_last_word_that_names_a_part_decides(name, part):
    assert split_named_by(name) == part


def test_a_name_that_says_more_is_no_part_by_itself():
    names = ["val", "Test_Images", "x_train", "train_images", "test2", "y_train", "test tubes", "train_labels", "cats"]
    assert [name for name in names if names_only_a_split(name)] == [
        "val",
        "Test_Images",
        "x_train",
        "train_images",
        "test2",
    ]


@pytest.mark.parametrize(
    ("name", "is_labels"),
    [
        *(
            (name, True)
            for name in ("y_train", "TestLabels", "train_images_labels", "targets_val", "y_test2", "dev_label")
        ),
        *((name, False) for name in ("x_train", "labels", "y", "train_labels_fine", "train_test_y", "y_train_labels")),
    ],
)
def test_names_of_labels(name, is_labels):
    assert names_labels_of_a_split(name) == is_labels


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (["train", "val"], {"train": "train", "val": "validation"}),
        (["Training", "EVAL", "cats"], {"Training": "train", "EVAL": "test"}),
        (["seg_train", "seg_test", "seg_pred"], {"seg_train": "train", "seg_test": "test"}),
        (["trainA", "trainB", "testA"], {"trainA": "train", "trainB": "train", "testA": "test"}),
        (["train", "bus"], {}),  # a class of vehicles
        (["train", "test tubes"], {}),  # two classes
        (["val", "test"], {}),
    ],
)
def test_splits_need_a_training_and_another_folder(folders, parts):
    assert splits_of_siblings(folders) == parts


def test_parts_are_found_at_any_depth_the_outermost_first():
    folders = ["a/", "a/train/", "a/train/test/", "a/train/train/", "a/test/", "b/", "b/training/", "b/dev/", "c/"]
    names = ["a/train/test/1.png", "a/test/2.png", "b/dev/3.png", "c/4.png"]
    assert splits_of_folders(folders, names) == {
        "a/train/": "train",
        "a/test/": "test",
        "b/training/": "train",
        "b/dev/": "validation",
    }


def test_folders_without_pictures_are_no_parts():
    folders = ["images/", "images/train/", "images/val/", "labels/", "labels/train/", "labels/val/"]
    names = ["images/train/1.png", "images/val/2.png"]
    assert splits_of_folders(folders, names) == {"images/train/": "train", "images/val/": "validation"}

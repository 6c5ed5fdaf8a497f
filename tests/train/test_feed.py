import numpy as np
import pytest
import tensorflow as tf

from cvae_train._feed import Resident, Streamed, feed

ORDER = [7, 0, 3, 3, 9, 1, 2]


@pytest.fixture
def mapped(tmp_path):
    """A function that puts images into a file and maps it."""

    def write(images):
        np.save(tmp_path / "images.npy", images)
        return np.load(tmp_path / "images.npy", mmap_mode="r")

    return write


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)


def batches(images, order, batch):
    source = feed(images)
    opened = source.open(tf.constant(order), batch)
    steps = range(0, len(order), batch)
    return [source.take(opened, tf.constant(at), tf.constant(min(at + batch, len(order)))).numpy() for at in steps]


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_both_give_the_images_of_the_order(images, mapped, batch):
    for kind in (images, mapped(images)):
        found = batches(kind, ORDER, batch)
        assert [len(part) for part in found[:-1]] == [batch] * (len(found) - 1)
        assert np.array_equal(np.concatenate(found), images[ORDER])


def test_what_lies_in_a_file_is_streamed_and_the_rest_is_held(images, mapped):
    assert isinstance(feed(images), Resident)
    assert isinstance(feed(mapped(images)), Streamed)

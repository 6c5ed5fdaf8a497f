import sys

import numpy as np
import pytest
import tensorflow as tf

from cvae_train._loop.feed import Resident, Streamed, feed

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
    opened = source.open(tf.constant(order), batch, lambda count: (0, count))
    steps = range(0, len(order), batch)
    return [source.take(opened, tf.constant(at), tf.constant(min(at + batch, len(order)))) for at in steps]


@pytest.mark.parametrize("batch", [1, 3, 7, 100])
def test_both_give_the_images_of_the_order(images, mapped, batch):
    for kind in (images, mapped(images)):
        found, indices = zip(*batches(kind, ORDER, batch), strict=True)
        assert [len(part) for part in found[:-1]] == [batch] * (len(found) - 1)
        assert np.array_equal(np.concatenate(found), images[ORDER])
        assert np.concatenate(indices).tolist() == ORDER
        assert {part.dtype for part in indices} == {tf.int32}


def test_a_worker_is_given_its_share_of_every_batch(images, mapped):
    source = feed(mapped(images))
    opened = source.open(tf.constant(ORDER), 4, lambda count: (count // 2, count))
    for share in (ORDER[2:4], ORDER[5:7]):
        found, indices = source.take(opened, tf.constant(0), tf.constant(0))
        assert np.array_equal(found, images[share])
        assert indices.numpy().tolist() == share


def test_what_lies_in_a_file_is_streamed_and_the_rest_is_held(images, mapped):
    assert isinstance(feed(images), Resident)
    assert isinstance(feed(mapped(images)), Streamed)


PROGRAM = """
import resource, sys
from pathlib import Path
import cvae_train
from cvae_train import ModelConfig, TrainConfig, load_data, train

cvae_train.import_tensorflow()
model = ModelConfig(image_shape=(32, 32, 1), latent_dim=2, filters=(2, 4))
config = TrainConfig(model=model, epochs=1, batch_size=500, learning_rate=1e-3)
status = Path("/proc/self/status").read_text()
used = int(status.split("VmData:")[1].split()[0]) << 10
limit = used + (350 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
result = train(load_data(sys.argv[1], memory_limit=int(sys.argv[2])), config, sys.argv[3], quiet=True)
print(result.history[0].elbo > result.history[0].train_elbo)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_set_larger_than_memory_trains(fresh_python, tmp_path):
    # 420 MiB of images where a process may take 350 more than it has. The files are holes but for some pixels.
    for name, count in (("train", 430_000), ("test", 1_000)):
        images = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.uint8, (count, 32, 32))
        images[: count // 100, 8:24, 8:24] = 255
    held = fresh_python(PROGRAM, tmp_path, 10**12, tmp_path / "held")
    assert held.returncode != 0
    assert "MemoryError" in held.stderr
    streamed = fresh_python(PROGRAM, tmp_path, 0, tmp_path / "streamed")
    assert (streamed.stdout, streamed.returncode) == ("True\n", 0), streamed.stderr

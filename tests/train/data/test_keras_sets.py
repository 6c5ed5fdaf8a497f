"""Data sets that Keras downloads; the tests replace the download."""

import keras
import numpy as np
import pytest

from cvae_train import DataOptions, RunFolder, load_data, train
from tests.train.data.reading import refusal

NAMES = ("mnist", "fashion_mnist")
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8), np.uint8)
LABELS = np.array([10, 2, 2, 10, 2, 10, 2], np.uint8)


@pytest.fixture(params=NAMES)
def name(request, monkeypatch):
    """The name of a data set, of which five images are for training."""

    def load_data():
        print("Downloading data")
        return (IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:])

    for name in NAMES:
        kind = load_data if name == request.param else None
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", kind)
    return request.param


def test_images_and_names(name, capsys):
    data = load_data(f"keras:{name}")
    np.testing.assert_array_equal(data.train[..., 0], IMAGES[:5])
    np.testing.assert_array_equal(data.test[..., 0], IMAGES[5:])
    assert (data.source, data.validation, data.notes) == (f"keras:{name}", None, ())
    assert data.labels.names == ("2", "10")
    assert (data.labels.train.tolist(), data.labels.test.tolist()) == ([1, 0, 0, 1, 0], [1, 0])
    assert capsys.readouterr() == ("", "Downloading data\n")


def test_options(name):
    assert load_data(f"keras:{name}", DataOptions(image_size=(4, 6), channels=3)).image_shape == (4, 6, 3)
    message = f"keras:{name}: has its own test set; leave --test-fraction out"
    assert refusal(f"keras:{name}", DataOptions(test_fraction=0.5)) == message


def test_a_run_reads_its_images_again(name, replaced, tmp_path):
    train(load_data(f"keras:{name}"), replaced(epochs=1), tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    assert folder.read_config()[1].source == f"keras:{name}"
    np.testing.assert_array_equal(folder.load_train()[..., 0], IMAGES[:5])
    np.testing.assert_array_equal(folder.load_test()[..., 0], IMAGES[5:])


def test_no_network(monkeypatch):
    def load_data():
        raise Exception("URL fetch failure on https://example.org/mnist.npz: no route to host")  # noqa: TRY002

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    assert refusal("keras:mnist") == (
        "keras:mnist: Keras cannot download it: URL fetch failure on https://example.org/mnist.npz: no route to host; "
        "check the network, or copy the files of the data set to this machine and name their folder"
    )


@pytest.mark.parametrize("source", ["keras:", "keras:cifar10", "keras:MNIST"])
def test_unknown_names(source):
    assert refusal(source) == (
        f"{source}: expected one of keras:mnist, keras:fashion_mnist; for other data sets, name a file or folder"
    )

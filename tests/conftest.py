import dataclasses
import gc
import gzip
import logging
import os
import secrets
import signal
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from cvae_runtime import cli
from cvae_train import Dataset, Labels, ModelConfig, TrainConfig

RAY_TOKEN = secrets.token_hex()  # of all clusters, since a process reads it once

# Importing cvae_train imports no TensorFlow, so that the runtime's tests run without it.

# A shell that starts the tests in the background ignores SIGINT in them, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no limit on an example's time: machines that run tests are often busy.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def tiny_config() -> TrainConfig:
    """A recipe whose epoch takes milliseconds: 3 steps of 16, 16 and 8 images."""
    model = ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(4, 6))
    return TrainConfig(model=model, epochs=3, batch_size=16, learning_rate=1e-2, seed=5)


@pytest.fixture(scope="session")
def tiny_data() -> Dataset:
    """40 training and 13 test images: blobs at random places, so that there is something to learn."""
    rng = np.random.default_rng(0)
    images = np.zeros((53, 8, 8, 1), np.uint8)
    for image in images:
        top, left = rng.integers(0, 5, 2)
        image[top : top + 3, left : left + 3] = rng.integers(128, 256)
    return Dataset(images[:40], images[40:])


@pytest.fixture(scope="session")
def tiny_archive(tiny_data, tmp_path_factory):
    """The tiny images as an .npz file."""
    path = tmp_path_factory.mktemp("data") / "set.npz"
    np.savez(path, x_train=tiny_data.train, x_test=tiny_data.test)
    return path


@pytest.fixture(scope="session")
def labelled_data() -> Dataset:
    """40 training and 13 test images of 3 classes: bars across, bars down and blobs, at random places."""
    rng = np.random.default_rng(0)
    images, classes = np.zeros((53, 8, 8, 1), np.uint8), np.arange(53) % 3
    for image, class_ in zip(images, classes, strict=True):
        height, width = ((2, 8), (8, 2), (4, 4))[class_]
        top, left = rng.integers(0, 9 - height), rng.integers(0, 9 - width)
        image[top : top + height, left : left + width] = 255
    labels = Labels(("2", "10", "x"), classes[:40], classes[40:])
    return Dataset(images[:40], images[40:], labels=labels)


@pytest.fixture(scope="session")
def labelled_archive(labelled_data, tmp_path_factory):
    """The images with classes as an .npz file."""
    path = tmp_path_factory.mktemp("data") / "labelled.npz"
    names = np.array(labelled_data.labels.names)
    np.savez(
        path,
        x_train=labelled_data.train,
        x_test=labelled_data.test,
        y_train=names[labelled_data.labels.train],
        y_test=names[labelled_data.labels.test],
    )
    return path


@pytest.fixture(scope="session")
def labelled_config(tiny_config, labelled_data) -> TrainConfig:
    """The tiny recipe, conditioned on the classes."""
    model = dataclasses.replace(tiny_config.model, labels=labelled_data.labels.names)
    return dataclasses.replace(tiny_config, model=model)


@pytest.fixture(scope="session")
def misleading_data(tiny_data) -> Dataset:
    """The tiny images with a validation set of their negatives, which the first epoch models best."""
    return Dataset(tiny_data.train, tiny_data.test, validation=255 - tiny_data.test)


@pytest.fixture(scope="session")
def rgb_config() -> TrainConfig:
    """The same for pictures in colour."""
    model = ModelConfig(image_shape=(8, 8, 3), latent_dim=4, filters=(4, 6), likelihood="discretized-logistic-mixture")
    return TrainConfig(model=model, epochs=3, batch_size=16, learning_rate=1e-2, seed=5, binarize="none")


@pytest.fixture(scope="session")
def rgb_data() -> Dataset:
    """40 training and 13 test images in colour: blobs on gradients from one side to the other."""
    rng = np.random.default_rng(0)
    images = np.empty((53, 8, 8, 3), np.uint8)
    for image in images:
        left, blob = rng.integers((0, 0, 100), (60, 60, 160)), rng.integers((180, 100, 0), (256, 200, 50))
        image[:] = np.linspace(left, left + rng.integers(0, 90), 8)
        row, column = rng.integers(0, 5, 2)
        image[row : row + 3, column : column + 3] = blob
    return Dataset(images[:40], images[40:])


@pytest.fixture
def replaced(tiny_config):
    """A function that changes fields of the tiny recipe."""
    return lambda **changes: dataclasses.replace(tiny_config, **changes)


@pytest.fixture
def whole_console(monkeypatch, capsys):
    """A function that runs a command as its console script does, in this process: its exit code, stdout and stderr."""

    def run(command, name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.run(command)
        return caught.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def console(whole_console):
    """The same without stdout."""

    def run(*arguments):
        code, _, err = whole_console(*arguments)
        return code, err

    return run


@pytest.fixture(scope="session")
def fresh_python():
    """A function that runs a program in an interpreter of its own: the finished process, its output as text."""

    def run(code, *arguments, **variables):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def without_export(fresh_python):
    """A function that runs a command of the runtime where the export extra is not installed."""
    code = (
        "import importlib, sys\n"
        "absent = ('tensorflow', 'keras', 'tqdm', 'onnx', 'onnx_ir', 'tf2onnx', 'cvae_train', 'cvae_export')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"  # importing them fails
        "command, *sys.argv[1:] = sys.argv[1:]\n"
        "importlib.import_module(f'cvae_runtime._commands.{command}').main()"
    )
    return lambda *arguments: fresh_python(code, *arguments)


@pytest.fixture
def write_idx():
    """A function that writes an IDX file, compressed where the name ends in .gz."""

    def write(path: Path, array: np.ndarray, *, magic: int | None = None, cut: int = 0) -> Path:
        magic = (0x08 << 8 | array.ndim) if magic is None else magic
        data = struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()
        data = data[: len(data) - cut]
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture(scope="module")
def cluster():
    """Start a Ray cluster of 4 cores without usage statistics; yield the module `cvae_runtime.ray`."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray") as folder:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_TOKEN", RAY_TOKEN)  # otherwise Ray writes one into the home folder
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about settings that Ray sets itself
            import ray

            import cvae_runtime.ray

            ray.data.DataContext.get_current().enable_progress_bars = False
        ray.init(
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=100 << 20,
            logging_level=logging.ERROR,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        yield cvae_runtime.ray
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of processes that end while Ray forgets them
            ray.shutdown()
            gc.collect()

import dataclasses
import shutil

import numpy as np
import onnxruntime
import pytest

from cvae_export._cli import command
from cvae_export._reference import Reference
from cvae_export._source import source_of_run
from cvae_train import Dataset, RunResult, import_tensorflow, train

import_tensorflow()


@pytest.fixture(scope="session", autouse=True)
def _equally_fast():
    """Fix every speed ratio at 1, and at None on GPUs, so that exports do not depend on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cvae_export._build.speed_ratio", lambda *arguments: None if "cuda" in arguments else 1.0)
        yield


@pytest.fixture(scope="session")
def trained(tiny_config, tiny_data, tiny_archive, tmp_path_factory) -> RunResult:
    """A finished tiny run whose config names the archive."""
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    return train(data, tiny_config, tmp_path_factory.mktemp("runs") / "tiny", quiet=True)


@pytest.fixture(scope="module")
def source(trained):
    """What is exported of the run `trained`, or of the one that a module calls so."""
    return source_of_run(trained.path)


@pytest.fixture(scope="module")
def reference(source):
    return Reference(source)


@pytest.fixture(scope="module")
def session(result):
    """A function that runs a graph of the bundle ``result`` of a module."""
    return lambda name, **inputs: onnxruntime.InferenceSession(result.path / f"{name}.onnx").run(None, inputs)


@pytest.fixture(scope="module")
def sampler(session):
    """A function that draws samples by the bundle's graph ``sampler``; ``label``: their classes, if it has labels."""

    def draw(count, *, seed, first=0, temperature=1.0, **label):
        words = np.array([seed, 0], np.uint32)
        place = {"first": np.array(first), "count": np.array(count), "temperature": np.array(temperature, np.float32)}
        return session("sampler", seed=words, **place, **label)[0]

    return draw


@pytest.fixture
def cvae_export(console):
    """A function that runs the console script in this process: its exit code and stderr."""
    return lambda *arguments: console(command, "cvae-export", *arguments)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the tiny run that a test may change."""
    return shutil.copytree(trained.path, tmp_path / "run")


@pytest.fixture(scope="session")
def trained_grey(tiny_config, tiny_data, tiny_archive, tmp_path_factory) -> RunResult:
    """A finished tiny run on grey values."""
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    config = dataclasses.replace(tiny_config, binarize="none", epochs=1)
    return train(data, config, tmp_path_factory.mktemp("runs") / "grey", quiet=True)

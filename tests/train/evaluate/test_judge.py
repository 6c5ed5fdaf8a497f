import dataclasses
import json
import math

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import judge, load_run, train
from cvae_train._cli_evaluate import command
from tests.judge_file import write_judge


@pytest.fixture
def features(tmp_path):
    return write_judge(tmp_path / "judge.onnx")


@pytest.fixture(scope="module")
def run(tiny_config, tiny_data, tiny_archive, tmp_path_factory):
    data = dataclasses.replace(tiny_data, source=str(tiny_archive))
    return train(data, tiny_config, tmp_path_factory.mktemp("runs") / "tiny", quiet=True)


def test_figures(run, tiny_data, features):
    model = load_run(run.path).model
    quality = judge(model, features, tiny_data.test, tiny_data.train, binary=True)
    assert quality.images == 13
    floor = judge(model, features, tiny_data.train[:13], tiny_data.train, binary=True)
    assert floor.frechet_floor == pytest.approx(0.0, abs=1e-6)
    assert quality.frechet_floor > 0.0
    assert 0.0 <= quality.class_entropy <= math.log(2)
    assert 0.0 <= quality.sure <= 1.0


def test_grey_levels_are_cut_for_binary_models(run, tiny_data, features):
    model = load_run(run.path).model
    cut = [(images >= 128) * np.uint8(255) for images in (tiny_data.test, tiny_data.train)]
    assert judge(model, features, tiny_data.test, tiny_data.train, binary=True) == judge(
        model, features, *cut, binary=True
    )


def test_without_logits(run, tiny_data, tmp_path):
    path = write_judge(tmp_path / "judge.onnx", outputs=("features",))
    quality = judge(load_run(run.path).model, path, tiny_data.test, tiny_data.train, binary=True)
    assert (quality.class_entropy, quality.sure) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"shape": (9, 8, 1)}, "{'images': ('tensor(uint8)', (9, 8, 1))} and ['features', 'logits']"),
        ({"outputs": ("logits",)}, "{'images': ('tensor(uint8)', (8, 8, 1))} and ['logits']"),
        ({"name": "x"}, "{'x': ('tensor(uint8)', (8, 8, 1))} and ['features', 'logits']"),
    ],
)
def test_other_graphs(wrong, found, run, tiny_data, tmp_path):
    path = write_judge(tmp_path / "judge.onnx", **wrong)
    with pytest.raises(InputError) as caught:
        judge(load_run(run.path).model, path, tiny_data.test, tiny_data.train, binary=True)
    assert str(caught.value) == (
        f"{path}: expected the input images, uint8 (batch, 8, 8, 1), and the output features, found {found}; name a "
        f"classifier of images of this shape"
    )


def test_missing_file(run, tiny_data, tmp_path):
    with pytest.raises(InputError) as caught:
        judge(load_run(run.path).model, tmp_path / "no.onnx", tiny_data.test, tiny_data.train, binary=True)
    assert str(caught.value) == f"{tmp_path / 'no.onnx'}: cannot be read: No such file or directory; name an ONNX file"


def test_too_few_images(run, tiny_data, features):
    with pytest.raises(InputError) as caught:
        judge(load_run(run.path).model, features, tiny_data.test[:1], tiny_data.train, binary=True)
    assert str(caught.value) == "expected at least 2 test and training images to compare samples with, found 1"


def test_command(run, features, whole_console):
    arguments = ("cvae-evaluate", run.path, "--features", features, "--samples", 2, "--overwrite")
    code, out, err = whole_console(command, *arguments, "--json")
    found = json.loads(out)["sample_quality"]
    assert code == 0
    assert found["images"] == 13
    assert found == json.loads((run.path / "evaluation.json").read_text())["sample_quality"]
    assert "samples, 13 against test images\n" in err
    assert f"  classified surely{found['sure']:29.1%}\n" in err

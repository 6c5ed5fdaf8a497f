"""Paths that are not bundles: the message names what was found, and its command leads to a bundle."""

import shlex
import shutil
import subprocess
import sys

import pytest

import cvae_runtime as cvae

EXPECTED = "expected a bundle, a folder with manifest.json, found"


@pytest.fixture
def refused():
    """Return the message for a path, without the path and the expectation."""

    def refused(path):
        with pytest.raises(cvae.BundleError) as caught:
            cvae.read_bundle(path)
        before, said = str(caught.value).split(f": {EXPECTED} ")
        assert before == str(path)
        return said

    return refused


@pytest.mark.parametrize("file", ["checkpoint.npz", "weights.npz", "history.csv"])
def test_a_run(refused, tmp_path, file):
    run = tmp_path / "my run"
    run.mkdir()
    for name in ("config.json", file):
        (run / name).write_text("{}")
    if file == "weights.npz":
        found = f"a run of cvae-train; export it first: cvae-export '{run}' --onnx '{run}-bundle'"
    else:
        found = f"a run of cvae-train that was stopped; cvae-evaluate '{run}' says how to resume it"
    assert refused(run) == found


def test_a_run_in_the_current_folder(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("config.json", "weights.npz"):
        (tmp_path / name).write_text("{}")
    assert refused(".") == "a run of cvae-train; export it first: cvae-export . --onnx my-model"


@pytest.mark.parametrize("name", ["decoder.onnx", "manifest.json"])
def test_a_file_of_a_bundle(refused, tiny_bundle, name):
    said = refused(tiny_bundle / name)
    assert said == f"a file of a bundle; pass its folder: {tiny_bundle}"
    cvae.read_bundle(shlex.split(said.rpartition(": ")[2])[0])


def test_a_single_graph(refused, tiny_bundle, tmp_path):
    alone = shutil.copy(tiny_bundle / "decoder.onnx", tmp_path / "a decoder.onnx")
    assert refused(alone) == f"a single graph; cvae-inspect '{alone}' describes it; cvae-export makes bundles"


@pytest.mark.parametrize("file_format", ["zip", "tar", "gztar"])
def test_the_command_unpacks_an_archive(refused, tiny_bundle, tmp_path, file_format):
    archive = shutil.make_archive(tmp_path / "a model", file_format, tiny_bundle.parent, tiny_bundle.name)
    said, line = refused(archive).split("; unpack it first: python ")
    assert said == ("a zip file" if file_format == "zip" else "a tar file")
    subprocess.run([sys.executable, *shlex.split(line)], check=True, capture_output=True)
    said, line = refused(tmp_path / "a model").split("; pass the bundle: ")
    assert said == "a folder with a bundle in it"
    assert cvae.read_bundle(*shlex.split(line)).files == cvae.read_bundle(tiny_bundle).files


def test_keras_models(refused, tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "encoder.keras").write_bytes(b"")
    remedy = "cvae-export --encoder ENCODER --decoder DECODER --onnx BUNDLE makes a bundle of two"
    assert refused(tmp_path / "saved") == f"a SavedModel; {remedy}"
    assert refused(tmp_path / "encoder.keras") == f"a Keras model; {remedy}"


def test_a_page_that_contains_a_bundle(refused, tiny_bundle, tmp_path):
    page = tmp_path / "page"
    shutil.copytree(tiny_bundle, page / "bundle")
    assert refused(page) == f"a folder with a bundle in it; pass the bundle: {page / 'bundle'}"

"""Bundles without their optional files: what works, and what says which file is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE as NOTEBOOK

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture
def slim(tmp_path):
    """Return a function that copies the manifest and the named files of a bundle."""

    def slim(bundle, *names):
        folder = tmp_path / "slim"
        folder.mkdir()
        for name in ("manifest.json", *names):
            shutil.copy(bundle / name, folder)
        return folder

    return slim


def test_manifest_and_decoder_are_enough_to_sample(slim):
    folder = slim(NOTEBOOK, "decoder.onnx")
    with cvae.load(folder, provider="cpu", threads=1) as model, cvae.load(NOTEBOOK, provider="cpu", threads=1) as whole:
        np.testing.assert_allclose(model.generate(3, seed=7), whole.generate(3, seed=7), rtol=0, atol=1e-5)
        assert {role: graph.file for role, graph in model.graphs.items()} == {"decoder": "decoder.onnx"}
        assert model.sha256 == whole.sha256
        assert model.tune(0.01).keys() == {"decoder"}
        message = f"{folder}: expected encoder.onnx, to encode images, found no such file; get the whole bundle"
        images = np.zeros((1, 28, 28, 1), np.uint8)
        for function in (model.encode, model.reconstruct, model.score, model.rank_dimensions):
            with pytest.raises(cvae.BundleError) as caught:
                function(*(() if function == model.rank_dimensions else (images,)))
            assert str(caught.value) == message


def test_a_learned_prior_without_an_encoder(slim):
    folder = slim(GOLDEN / "learned", "decoder.onnx", "prior.onnx", "prior_density.onnx")
    with cvae.load(folder, provider="cpu") as model, cvae.load(GOLDEN / "learned", provider="cpu") as whole:
        np.testing.assert_array_equal(model.generate(3), whole.generate(3))


def test_the_self_check_skips_absent_graphs(slim):
    bundle = cvae.read_bundle(slim(NOTEBOOK, "decoder.onnx", "golden.json"))
    results = cvae.check_golden(bundle)
    assert {result.file for result in results} == {"decoder.onnx", "rng"}
    assert all(result.agrees for result in results)


def test_the_self_check_needs_golden_vectors(slim):
    folder = slim(NOTEBOOK, "decoder.onnx")
    with pytest.raises(cvae.BundleError) as caught:
        cvae.check_golden(cvae.read_bundle(folder))
    message = f"{folder / 'golden.json'}: expected golden vectors, found no such file; get the whole bundle"
    assert str(caught.value) == message


def test_the_plain_example_draws_without_an_encoder(slim, tmp_path):
    folder = slim(NOTEBOOK, "decoder.onnx")
    program = ROOT / "examples" / "plain_onnxruntime" / "digits.py"
    command = [sys.executable, "-W", "error", program, folder, tmp_path / "digits.pgm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "digits.pgm").read_bytes().startswith(b"P5 224 28 255\n")

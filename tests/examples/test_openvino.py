import importlib.util
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
from tests.examples.conftest import EXAMPLES, LABELS, ROOT

pytest.importorskip("openvino", reason="the package openvino is not installed")

PROGRAM = "openvino/digits.py"


@pytest.fixture(scope="module")
def program():
    """The program, imported as a module."""
    sys.path.insert(0, str(EXAMPLES / "openvino"))
    spec = importlib.util.spec_from_file_location("openvino_digits", EXAMPLES / PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(EXAMPLES / "openvino"))
    del sys.modules["threefry"]


@pytest.fixture(scope="module")
def ours(program, bundle):
    return program.Model(bundle)


def test_golden_outputs(ours, golden):
    encoder, decoder = golden["encoder.onnx"], golden["decoder.onnx"]
    mean, logvar = ours.encode(encoder.inputs["images"])
    np.testing.assert_allclose(mean, encoder.outputs["mean"], rtol=0, atol=encoder.atol)
    np.testing.assert_allclose(logvar, encoder.outputs["logvar"], rtol=0, atol=encoder.atol)
    probs = ours.decode(decoder.inputs["z"])
    np.testing.assert_allclose(probs, decoder.outputs["probs"], rtol=0, atol=decoder.atol)


def test_samples_and_scores_match_the_runtime(ours, golden, model):
    samples = ours.generate(20, seed=7)
    np.testing.assert_allclose(samples, model.generate(20, seed=7), rtol=0, atol=golden["decoder.onnx"].atol)
    pixels = cvae.to_uint8(samples)
    np.testing.assert_allclose(ours.score(pixels, seed=3), model.score(pixels, seed=3).elbo, rtol=1e-5)


def test_learned_prior_matches_the_runtime(program, prior_bundle, prior_model):
    ours = program.Model(prior_bundle)
    samples = ours.generate(20, seed=7)
    expected = prior_model.generate(20, seed=7)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-5 * expected.max())
    plain = prior_model.decode(cvae.prior_latents(7, 0, 20, 3))
    assert np.abs(samples - plain).max() > 1e-3
    pixels = cvae.to_uint8(samples)
    np.testing.assert_allclose(ours.score(pixels, seed=3), prior_model.score(pixels, seed=3).elbo, rtol=1e-5)


@pytest.mark.parametrize("label", [None, *LABELS])
@pytest.mark.parametrize("bundle", ["labelled_bundle", "normal_bundle"])
def test_class_matches_the_runtime(program, request, bundle, label):
    bundle = request.getfixturevalue(bundle)
    ours = program.Model(bundle, label=label)
    samples = ours.generate(20, seed=7)
    pixels = cvae.to_uint8(samples)
    with cvae.load(bundle, provider="cpu") as model:
        expected = model.generate(20, seed=7, label=label)
        others = [model.generate(20, seed=7, label=other) for other in {None, *LABELS} - {label}]
        scores = model.score(pixels, seed=3, label=label).elbo
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-5 * expected.max())
    assert min(np.abs(samples - other).max() for other in others) > 1e-3
    np.testing.assert_allclose(ours.score(pixels, seed=3), scores, rtol=1e-5)


def test_command_draws_a_class(run_example, tmp_path, labelled_bundle, labelled_model):
    result = run_example(PROGRAM, labelled_bundle, "digits.png", "--count", 3, "--seed", 12, "--label", "7")
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open(tmp_path / "digits.png") as picture:
        levels = np.asarray(picture).reshape(2, 8, 3, 8).transpose(0, 2, 1, 3)
    samples = cvae.to_uint8(labelled_model.generate(3, seed=12, label="7"))[..., 0]
    assert np.abs(levels[0].astype(int) - samples).max() <= 1
    again = cvae.to_uint8(labelled_model.reconstruct(levels[0], label="7"))[..., 0]
    assert np.abs(levels[1].astype(int) - again).max() <= 1
    elbos = [float(line.split()[3]) for line in result.stdout.splitlines()]
    np.testing.assert_allclose(elbos, labelled_model.score(levels[0], label="7").elbo, atol=2e-3)


def test_wrong_labels(run_example, tmp_path, bundle, labelled_bundle):
    for folder, label, expected in (
        (labelled_bundle, "8", f"one of {', '.join(LABELS)}"),
        (labelled_bundle, "", f"one of {', '.join(LABELS)}"),
        (bundle, "7", "none, since the model has no labels"),
    ):
        result = run_example(PROGRAM, folder, "digits.png", "--label", label)
        assert (result.returncode, result.stderr) == (1, f"--label: expected {expected}; found {label!r}\n")
    assert not (tmp_path / "digits.png").exists()


def test_random_numbers(program):
    known = json.loads((ROOT / "tests/golden/rng.json").read_text())
    for case in known["prior"]:
        seed, first, length = int(case["seed"]), int(case["index"]), case["latent_dim"]
        expected = np.array([int(word, 16) for word in case["latents"]], np.uint32).view(np.float32)
        found = program.normals(seed, first, 1, length)[0]
        np.testing.assert_array_max_ulp(found, expected)
    noise = program.normals(2**63 + 5, 9, 4, 7, program.POSTERIOR)
    np.testing.assert_array_max_ulp(noise, cvae.posterior_noise(2**63 + 5, 9, 4, 7))


def test_command_writes_a_picture_and_prints_scores(run_example, tmp_path, bundle, model):
    result = run_example(PROGRAM, bundle, "digits.png", "--count", 3, "--seed", 12)
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open(tmp_path / "digits.png") as picture:
        levels = np.asarray(picture).reshape(2, 28, 3, 28).transpose(0, 2, 1, 3)
    samples = cvae.to_uint8(model.generate(3, seed=12))[..., 0]
    assert np.abs(levels[0].astype(int) - samples).max() <= 1
    assert np.abs(levels[1].astype(int) - cvae.to_uint8(model.reconstruct(levels[0]))[..., 0]).max() <= 1
    elbos = [line.removesuffix(" nats").split("ELBO ") for line in result.stdout.splitlines()]
    assert [start for start, _ in elbos] == ["sample 0  ", "sample 1  ", "sample 2  "]
    np.testing.assert_allclose([float(elbo) for _, elbo in elbos], model.score(levels[0]).elbo, atol=2e-3)


def test_later_format(run_example, later_bundle):
    result = run_example(PROGRAM, later_bundle.name, "digits.png")
    advice = "use the version of cvae-toolkit that wrote it, or export the bundle again"
    said = f"later/manifest.json: expected format 1 or 2, found 3; {advice}\n"
    assert (result.returncode, result.stderr) == (1, said)


def test_invalid_arguments(run_example, tmp_path, bundle):
    result = run_example(PROGRAM, "nowhere", "digits.png")
    assert (result.returncode, result.stderr) == (
        1,
        "nowhere: expected a bundle, a folder with manifest.json; cvae-export makes one\n",
    )
    result = run_example(PROGRAM, bundle, "digits.png", "--count", 0)
    assert (result.returncode, result.stderr.splitlines()[-1]) == (
        2,
        "digits.py: error: count must be at least 1 and seed 0 to 18446744073709551615",
    )
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    manifest = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(manifest.replace('"bernoulli"', '"discretized-logistic"'))
    result = run_example(PROGRAM, "other", "digits.png")
    expected = (
        "expected the likelihood bernoulli, found discretized-logistic; docs/formats.md has the formulas of the others"
    )
    assert (result.returncode, result.stderr) == (1, f"other: {expected}\n")
    assert not (tmp_path / "digits.png").exists()

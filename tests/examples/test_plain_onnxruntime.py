import ast
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import cvae_runtime as cvae
from tests.examples.conftest import EXAMPLES, LABELS

PROGRAM = "plain_onnxruntime/digits.py"

# A tiny colour model: the decoder draws pictures of one colour, the encoder returns a picture's mean colour.
DECODER = """
<ir_version: 8, opset_import: ["" : 15]>
decoder (float[batch, 3] z) => (float[batch, 4, 6, 3] probs)
<int64[4] one = {-1, 1, 1, 3}, int64[4] all = {1, 4, 6, 1}>
{ p = Sigmoid(z)  pixel = Reshape(p, one)  probs = Expand(pixel, all) }
"""
ENCODER = """
<ir_version: 8, opset_import: ["" : 15]>
encoder (uint8[batch, 4, 6, 3] images) => (float[batch, 3] mean, float[batch, 3] logvar)
<float scale = {255.0}>
{ levels = Cast<to = 1>(images)  x = Div(levels, scale)  mean = ReduceMean<axes = [1, 2], keepdims = 0>(x)  logvar = Neg(mean) }
"""


def rows_of(path, count=8):
    """The two rows of a picture: uint8 (2, count, H, W, C)."""
    with Image.open(path) as picture:
        levels = np.atleast_3d(np.asarray(picture))
    height, width, channels = levels.shape
    return levels.reshape(2, height // 2, count, width // count, channels).transpose(0, 2, 1, 3, 4)


def levels_apart(a, b):
    return np.abs(a.astype(int) - b).max()


def latents(length):
    return np.random.default_rng(0).standard_normal((8, length), np.float32)


def test_picture_matches_the_runtime(run_example, tmp_path, bundle, model):
    result = run_example(PROGRAM, bundle, "digits.pgm")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    samples, again = rows_of(tmp_path / "digits.pgm")
    assert levels_apart(samples, cvae.to_uint8(model.decode(latents(50)))) <= 1
    assert levels_apart(again, cvae.to_uint8(model.reconstruct(samples))) <= 1
    assert samples.std() > 50


def test_learned_prior(run_example, tmp_path, prior_bundle, prior_model):
    result = run_example(PROGRAM, prior_bundle, "digits.pgm")
    assert (result.returncode, result.stderr) == (0, "")
    session = onnxruntime.InferenceSession(prior_bundle / "prior.onnx", providers=["CPUExecutionProvider"])
    (z,) = session.run(["z"], {"noise": latents(3)})
    samples, again = rows_of(tmp_path / "digits.pgm")
    assert levels_apart(samples, cvae.to_uint8(prior_model.decode(z))) <= 1
    assert levels_apart(again, cvae.to_uint8(prior_model.reconstruct(samples))) <= 1
    assert levels_apart(samples, cvae.to_uint8(prior_model.decode(latents(3)))) > 1


@pytest.mark.parametrize("label", [None, *LABELS])
def test_labels(run_example, tmp_path, labelled_bundle, labelled_model, label):
    options = [] if label is None else ["--label", label]
    result = run_example(PROGRAM, labelled_bundle, "digits.pgm", *options)
    assert (result.returncode, result.stderr) == (0, "")
    session = onnxruntime.InferenceSession(labelled_bundle / "prior.onnx", providers=["CPUExecutionProvider"])
    index = LABELS.index(label) if label else len(LABELS)
    (z,) = session.run(["z"], {"noise": latents(3), "label": np.full(8, index)})
    samples, again = rows_of(tmp_path / "digits.pgm")
    assert levels_apart(samples, cvae.to_uint8(labelled_model.decode(z, label=label))) <= 1
    assert levels_apart(again, cvae.to_uint8(labelled_model.reconstruct(samples, label=label))) <= 1
    others = [labelled_model.decode(z, label=other) for other in {None, *LABELS} - {label}]
    assert min(levels_apart(samples, cvae.to_uint8(other)) for other in others) > 1


def test_wrong_labels(run_example, tmp_path, bundle, labelled_bundle):
    for folder, label, expected in (
        (labelled_bundle, "8", f"one of {', '.join(LABELS)}"),
        (labelled_bundle, "", f"one of {', '.join(LABELS)}"),
        (bundle, "7", "none, since the model has no labels"),
    ):
        result = run_example(PROGRAM, folder, "digits.pgm", "--label", label)
        said = f"digits.py: error: --label: expected {expected}; found {label!r}"
        assert (result.returncode, result.stderr.splitlines()[-1]) == (2, said)
    assert not (tmp_path / "digits.pgm").exists()


def test_colour_model(run_example, tmp_path):
    manifest = {"format": 1, "model": {"image_shape": [4, 6, 3], "latent_dim": 3}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for name, text in (("encoder", ENCODER), ("decoder", DECODER)):
        onnx.save(onnx.parser.parse_model(text), tmp_path / f"{name}.onnx")
    result = run_example(PROGRAM, tmp_path, "colours.ppm")
    assert (result.returncode, result.stderr) == (0, "")
    samples, again = rows_of(tmp_path / "colours.ppm")
    colours = np.rint(255 / (1 + np.exp(-latents(3))))
    assert levels_apart(samples, np.broadcast_to(colours[:, None, None], (8, 4, 6, 3))) <= 1
    expected = np.rint(255 / (1 + np.exp(-samples.mean(axis=(1, 2)) / 255)))
    assert levels_apart(again, np.broadcast_to(expected[:, None, None], (8, 4, 6, 3))) <= 1


def test_invalid_bundles(run_example, tmp_path, later_bundle):
    advice = "use the version of cvae-toolkit that wrote it, or export the bundle again"
    for folder, said in (
        ("nowhere", "nowhere: expected a bundle, a folder with manifest.json; cvae-export makes one"),
        (later_bundle.name, f"later/manifest.json: expected format 1 or 2, found 3; {advice}"),
    ):
        result = run_example(PROGRAM, folder, "digits.pgm")
        assert (result.returncode, result.stderr.splitlines()[-1]) == (2, f"digits.py: error: {said}")
    assert not (tmp_path / "digits.pgm").exists()


def test_requirements():
    tree = ast.parse((EXAMPLES / PROGRAM).read_text())
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert sorted(modules) == ["argparse", "json", "numpy", "onnxruntime", "os", "pathlib"]
    lines = (EXAMPLES / "plain_onnxruntime/requirements.txt").read_text().split()
    assert [line.split(">")[0] for line in lines] == ["numpy", onnxruntime.__name__]

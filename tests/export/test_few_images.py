"""Data sets of a few images through all commands: train, evaluate, export, verify, generate, encode."""

import json

import numpy as np
import pytest
from PIL import Image

import cvae_export._cli
import cvae_runtime
import cvae_runtime._commands.encode
import cvae_runtime._commands.generate
import cvae_runtime._commands.inspect
import cvae_runtime._commands.verify
import cvae_train._cli
import cvae_train._cli_evaluate
from cvae_export._graph import Graph
from cvae_export._reference import Expected
from cvae_export._verify import BUDGETS, MeanElbo, compare

SMALL = ("--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--quiet")


def refuse(constant):
    raise AssertionError(constant)


def strict(path):
    """Parse JSON and reject NaN and infinity."""
    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture
def folder_of(tmp_path):
    """A function that writes ``count`` images: colour strokes on white, or grey noise."""

    def write(count, *, colour):
        rng = np.random.default_rng(count)
        (tmp_path / "pictures").mkdir()
        for number in range(count):
            image = np.full((8, 8, 3), 255, np.uint8)
            image[rng.integers(0, 8), 1:7] = rng.integers(0, 200, 3)
            grey = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(image if colour else grey).save(tmp_path / "pictures" / f"{number}.png")
        return tmp_path / "pictures"

    return write


@pytest.mark.parametrize(("count", "colour"), [(2, False), (3, True), (10, True), (20, False)])
def test_a_few_images_run_through_all_commands(whole_console, folder_of, tmp_path, count, colour):
    pictures, run, bundle = folder_of(count, colour=colour), tmp_path / "run", tmp_path / "bundle"
    codes, samples, tested = tmp_path / "codes.npz", tmp_path / "samples.png", 2 if count == 20 else 1

    def does(command, name, *arguments):
        code, out, err = whole_console(command, name, *arguments)
        assert code == 0, err
        return out + err

    does(cvae_train._cli.command, "cvae-train", pictures, "--run", run, *SMALL)
    output = does(cvae_train._cli_evaluate.command, "cvae-evaluate", run, "--samples", 3)
    evaluation = strict(run / "evaluation.json")
    alone = tested == 1
    assert [evaluation[name] is None for name in ("elbo_stderr", "iw_bound_stderr", "active_units")] == [alone] * 3
    assert evaluation["warnings"] == []
    assert ("1 test image, " in output, " +- -\n" in output, "nan" in output) == (alone, alone, False)
    output = does(cvae_export._cli.command, "cvae-export", run, "--onnx", bundle)
    assert f"over {tested} image" in output
    manifest = strict(bundle / "manifest.json")
    assert (manifest["training"]["test_images"], manifest["training"]["test_elbo_stderr"] is None) == (tested, alone)
    assert strict(bundle / "golden.json")["cases"]
    does(cvae_runtime._commands.verify.command, "cvae-verify", bundle)
    assert "FAILS" not in does(cvae_export._cli.command, "cvae-export", run, "--verify", bundle)
    output = does(cvae_runtime._commands.inspect.command, "cvae-inspect", bundle)
    assert ("over the one test image of pictures" in output) == alone
    does(cvae_runtime._commands.generate.command, "cvae-generate", bundle, "-n", 4, "-o", samples)
    with Image.open(samples) as picture:
        assert picture.mode == ("RGB" if colour else "L")
    does(cvae_runtime._commands.encode.command, "cvae-encode", bundle, pictures, "-o", codes)
    with np.load(codes) as table:
        assert table["mean"].shape == (count, 3)
        assert np.isfinite(table["elbo"]).all()


@pytest.mark.parametrize(("change", "passes"), [(0.04, True), (-0.04, True), (0.06, False), (np.nan, False)])
def test_elbo_tolerance_of_one_large_image(change, passes):
    # Narrow scales give an ELBO of thousands of nats per image; float32 keeps six digits of it.
    outputs = {"probs": np.full((1, 8, 8, 1), 0.5, np.float32)}
    expected = Expected(1, lambda *_: {}, outputs, lambda _: np.array([-5000.0 + change]))
    graph = Graph("decoder", "portable", "float32", b"", ())
    comparison = compare(graph, [lambda _: outputs], expected, np.array([-5000.0]), BUDGETS["float32"])
    assert comparison.elbo_tolerance == pytest.approx(0.05)
    assert comparison.all_pass == passes


def test_the_elbo_of_one_image_has_no_standard_error():
    assert MeanElbo.of(np.array([-77.0, -79.0])) == MeanElbo(-78.0, 1.0, 2)
    assert str(MeanElbo(-77.0, None, 1)) == "-77.00 +- - nats per image over 1 image"

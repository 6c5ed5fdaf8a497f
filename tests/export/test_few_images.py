"""Sets of a few pictures go the whole way: trained, evaluated, exported, verified, drawn from, encoded."""

import json

import numpy as np
import pytest
from PIL import Image

import cvae_export._cli
import cvae_export._cli_inspect
import cvae_export._cli_verify
import cvae_runtime
import cvae_runtime._cli_encode
import cvae_runtime._cli_generate
import cvae_train._cli
import cvae_train._cli_evaluate
from cvae_export import Settings, export
from cvae_train import Dataset, ModelConfig, TrainConfig, train

SMALL = ("--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--quiet")


def refuse(constant):
    raise AssertionError(constant)


def strict(path):
    """JSON without NaN and infinity."""
    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture
def folder_of(tmp_path):
    """A function that writes so many pictures: strokes on white in colour, or grey noise."""

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
def test_a_few_pictures_train_evaluate_export_verify_generate_and_encode(
    whole_console, folder_of, tmp_path, count, colour
):
    pictures, run, bundle = folder_of(count, colour=colour), tmp_path / "run", tmp_path / "bundle"
    codes, samples, tested = tmp_path / "codes.npz", tmp_path / "samples.png", 2 if count == 20 else 1

    def does(command, name, *arguments):
        code, out, err = whole_console(command, name, *arguments)
        assert code == 0, err
        return out + err

    does(cvae_train._cli.command, "cvae-train", pictures, "--run", run, *SMALL)
    told = does(cvae_train._cli_evaluate.command, "cvae-evaluate", run, "--samples", 3)
    evaluation = strict(run / "evaluation.json")
    alone = tested == 1
    assert [evaluation[name] is None for name in ("elbo_stderr", "nll_stderr", "active_units")] == [alone] * 3
    assert evaluation["warnings"] == []
    assert ("1 test image, " in told, " +- -\n" in told, "nan" in told) == (alone, alone, False)
    told = does(cvae_export._cli.command, "cvae-export", run, "--onnx", bundle)
    assert f"over {tested} image" in told
    manifest = strict(bundle / "manifest.json")
    assert (manifest["training"]["test_images"], manifest["training"]["test_elbo_stderr"] is None) == (tested, alone)
    assert strict(bundle / "golden.json")["cases"]
    assert "FAILS" not in does(cvae_export._cli_verify.command, "cvae-verify", bundle, "--run", run)
    told = does(cvae_export._cli_inspect.command, "cvae-inspect", bundle)
    assert ("over the one test image of pictures" in told) == alone
    does(cvae_runtime._cli_generate.command, "cvae-generate", bundle, "-n", 4, "-o", samples)
    with Image.open(samples) as picture:
        assert picture.mode == ("RGB" if colour else "L")
    does(cvae_runtime._cli_encode.command, "cvae-encode", bundle, pictures, "-o", codes)
    with np.load(codes) as table:
        assert table["mean"].shape == (count, 3)
        assert np.isfinite(table["elbo"]).all()


def test_one_test_image_that_a_model_is_wrongly_sure_of_is_exported(tmp_path):
    # Narrow scales cost thousands of nats a pixel, of which float32 keeps six digits.
    rng = np.random.default_rng(0)
    images = np.tile(rng.integers(100, 104, (1, 8, 8, 3), np.uint8), (40, 1, 1, 1))
    images[-1] = rng.integers(0, 256, (8, 8, 3))
    np.savez(tmp_path / "set.npz", x_train=images[:-1], x_test=images[-1:])
    model = ModelConfig((8, 8, 3), 3, (4, 6), "discretized-logistic-mixture")
    config = TrainConfig(model, epochs=60, batch_size=13, learning_rate=2e-2, clip_norm=100.0, binarize="none")
    train(config, Dataset(images[:-1], images[-1:], str(tmp_path / "set.npz")), tmp_path / "run", quiet=True)
    result = export(tmp_path / "run", tmp_path / "bundle", Settings(extras=("scorer",)), quiet=True)
    assert result.elbo.mean < -5_000.0
    assert result.elbo.stderr is None
    assert result.comparisons[0].elbo_tolerance == pytest.approx(-1e-5 * result.elbo.mean)
    assert [comparison.all_pass for comparison in result.comparisons] == [True] * len(result.comparisons)

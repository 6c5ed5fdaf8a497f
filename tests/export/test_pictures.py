"""From a folder of images to a bundle, by the commands that a user runs."""

import json
import math

import numpy as np
import pytest
from PIL import Image

import cvae_export._cli
import cvae_runtime
import cvae_runtime._commands.generate
import cvae_train._cli
import cvae_train._cli_evaluate
from cvae_train import RunFolder, read_history

SMALL = ("--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--quiet")


@pytest.fixture
def pictures(tmp_path):
    """A folder with train/ and test/, with grey images of 10x9 pixels."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", 6)):
        (tmp_path / "pictures" / part).mkdir(parents=True)
        for number in range(count):
            picture = Image.fromarray(rng.integers(0, 256, (9, 10), np.uint8))
            picture.save(tmp_path / "pictures" / part / f"{number}.png")
    return tmp_path / "pictures"


def test_training_evaluating_and_exporting_on_pictures(console, pictures, tmp_path):
    run = tmp_path / "run"
    train = (pictures, "--image-size", 8, "--run", run, *SMALL)
    evaluate = (cvae_train._cli_evaluate.command, "cvae-evaluate", run, "--samples", 2, "-q", "--overwrite")
    export = (cvae_export._cli.command, "cvae-export", run, "--onnx", tmp_path / "bundle", "-q", "--overwrite")
    assert console(cvae_train._cli.command, "cvae-train", *train) == (0, "")
    assert console(*evaluate) == (0, "")
    assert console(*export) == (0, "")

    for picture in (pictures / "train").iterdir():
        picture.unlink()
    assert console(*evaluate) == (0, "")
    assert console(*export) == (0, "")

    Image.new("L", (10, 9), 99).save(pictures / "test/3.png")
    for command in (evaluate, export):
        code, err = console(*command)
        assert code == 1
        assert err.startswith(f"Error: {pictures}: expected the images that {run} was trained on, with fingerprint ")


@pytest.fixture(scope="session")
def colour_pictures(rgb_data, tmp_path_factory):
    """Nested folders of colour images of 8x8 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate([*rgb_data.train, *rgb_data.test]):
        (folder / f"part-{number % 3}").mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"part-{number % 3}" / f"{number}.png")
    return folder


def test_colour_images_run_through_all_commands(console, colour_pictures, tmp_path):
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    small = ("--epochs", 3, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--learning-rate", 1e-2)
    code, err = console(cvae_train._cli.command, "cvae-train", colour_pictures, "--run", run, *small)
    lines = err.splitlines()
    (last_epoch,) = (line for line in lines if line.startswith("  3/3 "))
    history = read_history(run / "history.csv")
    bits = -history[-1].elbo / (8 * 8 * 3 * math.log(2.0))
    assert code == 0
    assert "  --likelihood discretized-logistic-mixture 256 levels: colour" in lines
    assert last_epoch.split()[1:4] == [f"{history[-1].elbo:.2f}", f"{history[-1].kl:.2f}", f"{bits:.3f}"]

    assert console(cvae_train._cli_evaluate.command, "cvae-evaluate", run, "--samples", 5, "-q") == (0, "")
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["elbo"] == pytest.approx(history[-1].elbo, rel=1e-5)
    assert evaluation["bits_per_dimension"] == pytest.approx(bits, rel=1e-5)

    code, err = console(cvae_export._cli.command, "cvae-export", run, "--onnx", bundle)
    assert code == 0, err
    rows = err.split("graph ", maxsplit=1)[1].splitlines()[1:7]
    assert [line.split()[1] for line in rows] == ["mean", "logvar", "probs", "location", "log_scale", "mixture_logits"]
    results = cvae_runtime.check_golden(cvae_runtime.read_bundle(bundle))
    assert [result.agrees for result in results] == [True] * len(results)

    with cvae_runtime.load(bundle, provider="cpu") as model:
        assert model.manifest.model.likelihood == "discretized-logistic-mixture"
        samples = model.generate(5, seed=3)
        assert samples.shape == (5, 8, 8, 3)
        assert 0.0 <= samples.min() < samples.max() <= 1.0
        images = RunFolder(run).load_test(quiet=True)
        assert model.reconstruct(images).shape == images.shape == (5, 8, 8, 3)
        assert model.score(images).elbo.mean() == pytest.approx(history[-1].elbo, rel=1e-5)
        assert model.manifest.training.test_elbo == pytest.approx(history[-1].elbo, rel=1e-5)

    generate = (cvae_runtime._commands.generate.command, "cvae-generate", bundle)
    assert console(*generate, "-n", 4, "--seed", 3, "-o", tmp_path / "s.png", "-q") == (0, "")
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture)[1:17:2, 1:17:2], cvae_runtime.to_uint8(samples[0]))
    assert console(
        *generate, "--reconstruct", next(colour_pictures.rglob("*.png")), "-o", tmp_path / "r.png", "-q"
    ) == (0, "")


@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
def test_grey_images_with_logistic_likelihoods(console, pictures, tmp_path, likelihood):
    run = tmp_path / "run"
    options = ("--image-size", 8, "--likelihood", likelihood, "--run", run, *SMALL)
    assert console(cvae_train._cli.command, "cvae-train", pictures, *options) == (0, "")
    assert console(cvae_export._cli.command, "cvae-export", run, "--onnx", tmp_path / "bundle", "-q") == (0, "")
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        assert model.manifest.model.preprocessing.binarize_at is None
        assert model.generate(2).shape == (2, 8, 8, 1)


def test_idx_folder_trains_exports_and_generates(console, write_idx, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("train-images-idx3-ubyte.gz", 40), ("t10k-images-idx3-ubyte", 9)):
        write_idx(tmp_path / name, rng.integers(0, 256, (count, 12, 8), np.uint8))
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    assert console(cvae_train._cli.command, "cvae-train", tmp_path, "--run", run, *SMALL) == (0, "")
    assert console(cvae_export._cli.command, "cvae-export", run, "--onnx", bundle, "-q") == (0, "")
    generate = (bundle, "-n", 3, "--format", "npy", "-o", tmp_path / "s.npy", "-q")
    assert console(cvae_runtime._commands.generate.command, "cvae-generate", *generate) == (0, "")
    assert np.load(tmp_path / "s.npy").shape == (3, 12, 8, 1)

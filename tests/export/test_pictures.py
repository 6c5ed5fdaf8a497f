"""From a folder of pictures to a bundle, by the commands that a user gives."""

import numpy as np
import pytest
from PIL import Image

import cvae_export._cli
import cvae_train._cli
import cvae_train._cli_evaluate

SMALL = ("--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--quiet")


@pytest.fixture
def pictures(tmp_path):
    """A folder with train/ and test/, of grey pictures of 10x9 pixels."""
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
        assert err.startswith(f"Error: {pictures}: other images than {run} was trained on: expected the fingerprint ")

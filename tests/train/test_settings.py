"""The user's settings of Keras, Matplotlib, Python and TensorFlow neither change training nor are changed by it."""

import json
import os
import subprocess
import sys

import keras
import pytest

from cvae_runtime import InputError
from cvae_train import import_tensorflow

# Train for one epoch, then print the settings.
PROGRAM = """
import json, os, sys
import numpy as np
import cvae_train

rng = np.random.default_rng(0)
images = rng.integers(0, 2, (24, 8, 8, 1), np.uint8) * np.uint8(255)
data = cvae_train.Dataset(images[:16], images[16:])
model = cvae_train.ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(4, 6))
recipe = cvae_train.TrainConfig(model=model, epochs=1, batch_size=16, learning_rate=1e-3, seed=5, clip_norm=1.0, ema=0.5)
cvae_train.train(data, recipe, "run", quiet=True)
import keras, matplotlib
print(json.dumps({
    "backend": keras.config.backend(), "floatx": keras.config.floatx(), "layout": keras.config.image_data_format(),
    "policy": keras.config.dtype_policy().name, "drawing": matplotlib.rcParams["backend"],
    "variables": [os.environ.get(name) for name in ("KERAS_BACKEND", "MPLBACKEND")],
}))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function that trains with settings and returns the program's output and the bytes of weights and curve."""

    def trained(name, program=PROGRAM, keras_json=None, matplotlibrc="", **settings):
        folder = tmp_path_factory.mktemp(name)
        (folder / "home").mkdir()
        (folder / "matplotlibrc").write_text(matplotlibrc)
        if keras_json is not None:
            (folder / "home" / "keras.json").write_text(json.dumps(keras_json))
        environment = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "MPLBACKEND")}
        paths = {"PYTHONPATH": os.pathsep.join(sys.path), "KERAS_HOME": str(folder / "home")}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, **paths, **settings},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        files = [(folder / "run" / file).read_bytes() for file in ("weights.npz", "elbo.png")]
        return json.loads(done.stdout), files

    return trained


@pytest.fixture(scope="module")
def plain_files(trained):
    """Weights and curve of training without settings."""
    return trained("plain")[1]


def test_user_settings_have_no_effect_and_stay(trained, plain_files):
    odd, odd_files = trained(
        "odd",
        keras_json={"image_data_format": "channels_first", "floatx": "float16", "backend": "jax"},
        matplotlibrc="text.usetex: True\nsavefig.transparent: True\nfigure.facecolor: red\nsavefig.bbox: tight\n",
        KERAS_BACKEND="torch",
        MPLBACKEND="svg",
        PYTHONWARNINGS="error",
        PYTHONOPTIMIZE="2",
        OMP_NUM_THREADS="abc",
        TMPDIR="/nonexistent",
        COLUMNS="1",
        TF_USE_LEGACY_KERAS="1",
    )
    assert odd == {
        "backend": "tensorflow",
        "floatx": "float16",
        "layout": "channels_first",
        "policy": "float16",
        "drawing": "svg",
        "variables": ["torch", "svg"],
    }
    assert odd_files == plain_files


def test_a_missing_matplotlib_backend_is_ignored(trained):
    told, _ = trained("odd", MPLBACKEND="nonsense", KERAS_BACKEND="")
    assert told["variables"] == ["", "nonsense"]


def test_a_policy_of_the_program_around_is_left_alone(trained, plain_files):
    policy = 'cvae_train.import_tensorflow(); import keras; keras.config.set_dtype_policy("mixed_float16")\ncvae_train.train('
    told, files = trained("mixed", program=PROGRAM.replace("cvae_train.train(", policy))
    assert (told["policy"], files) == ("mixed_float16", plain_files)


@pytest.mark.parametrize("settings", [{"image_data_format": "first"}, ["no", "settings"]])
def test_settings_that_keras_cannot_read_are_named(settings, tmp_path, monkeypatch, fresh_python):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    done = fresh_python("from cvae_train._cli import main; main()", "-q", KERAS_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tmp_path / 'keras.json'}: expected valid settings of Keras, found ")
    assert done.stderr.endswith("; fix or remove the file\n")
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]


def test_keras_on_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError) as caught:
        import_tensorflow()
    assert str(caught.value) == (
        "Keras: expected the backend tensorflow, found jax; set KERAS_BACKEND=tensorflow before Keras is imported"
    )

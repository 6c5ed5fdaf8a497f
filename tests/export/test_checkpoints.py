import dataclasses
import json
import shutil

import numpy as np
import pytest

import cvae_runtime
from cvae_export import export
from cvae_export._cli import command as export_command
from cvae_train import Dataset, load_run, train
from cvae_train._cli_evaluate import command


@pytest.mark.parametrize("samples", [5, 700])  # 700: the draws of one image are decoded in two parts
def test_a_run_and_its_bundle_have_the_same_bound(console, run, tmp_path, tiny_data, samples):
    assert console(command, "cvae-evaluate", run, "--samples", samples, "-q") == (0, "")
    evaluation = json.loads((run / "evaluation.json").read_text())
    export(run, tmp_path / "bundle", quiet=True)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        bounds = model.score(tiny_data.test, samples=samples, seed=0).iw_bound
        others = model.score(tiny_data.test, samples=samples, seed=1).iw_bound
    # The two networks sum in different orders in float32.
    assert evaluation["iw_bound"] == pytest.approx(bounds.mean(), rel=1e-6)
    assert evaluation["iw_bound"] != pytest.approx(others.mean(), rel=1e-6)
    assert evaluation["iw_bound_stderr"] == pytest.approx(bounds.std(ddof=1) / 13**0.5, rel=1e-5)


@pytest.fixture
def overfitted(tiny_config, misleading_data, tmp_path):
    """A run that keeps its first epoch of three."""
    parts = {"x_train": misleading_data.train, "x_test": misleading_data.test, "x_val": misleading_data.validation}
    np.savez(tmp_path / "set.npz", **parts)
    data = dataclasses.replace(misleading_data, source=str(tmp_path / "set.npz"))
    return train(data, tiny_config, tmp_path / "run", quiet=True).path


@pytest.mark.parametrize(
    ("options", "checkpoint", "epoch"),
    [((), "best", 1), (("--checkpoint", "best"), "best", 1), (("--checkpoint", "last"), "last", 3)],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_a_bundle_has_the_weights_of_the_checkpoint(console, overfitted, tmp_path, options, checkpoint, epoch, stopped):
    expected = load_run(overfitted, checkpoint)
    if stopped:
        (overfitted / "weights.npz").unlink()
    options = ("--onnx", tmp_path / "bundle", *options, "-q")
    assert console(export_command, "cvae-export", overfitted, *options) == (0, "")
    training = json.loads((tmp_path / "bundle/manifest.json").read_text())["training"]
    assert (training["checkpoint"], training["epoch"]) == (checkpoint, epoch)
    z = cvae_runtime.prior_latents(0, 0, 5, 3)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        np.testing.assert_allclose(model.decode(z), expected.model.sample(z), atol=1e-5)
        assert model.manifest.training.test_elbo == pytest.approx(expected.kept.elbo, abs=1e-3)


def test_the_manifest_has_the_lineage_of_a_run(tiny_config, tiny_data, tiny_archive, run, tmp_path):
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    old = shutil.copytree(run, tmp_path / "old")
    train(data, tiny_config, tmp_path / "new", start_from=old, freeze="encoder", quiet=True)
    training = export(tmp_path / "new", tmp_path / "bundle", quiet=True).manifest.training.config
    recorded = json.loads((tmp_path / "new/config.json").read_text())
    assert (training["start"], training["freeze"]) == (recorded["start"], "encoder")
    assert training["start"]["run"] == "old"


def test_a_checkpoint_of_keras_models_is_a_usage_error(console, tmp_path):
    options = ("--encoder", "e.keras", "--decoder", "d.keras", "--checkpoint", "last", "--onnx", tmp_path / "bundle")
    code, err = console(export_command, "cvae-export", *options)
    message = "Error: --checkpoint chooses weights of RUN, found --encoder and --decoder: leave it out"
    assert (code, err.splitlines()[-1]) == (2, message)

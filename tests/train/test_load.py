"""Loading finished and stopped runs, and those of older versions."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_runtime.images import npz_bytes
from cvae_train import RunFolder, load_run, train
from cvae_train._loop.loop import Loop
from tests.train.runs import same_weights


def weights(result):
    return {variable.path: variable.numpy() for variable in result.model.variables}


def same(a, b):
    return same_weights(a.model, b.model)


@pytest.fixture(scope="module")
def overfitted(tiny_config, misleading_data, tmp_path_factory):
    """A finished run whose first epoch is the best."""
    config = dataclasses.replace(tiny_config, ema=0.5)
    result = train(misleading_data, config, tmp_path_factory.mktemp("runs") / "run", quiet=True)
    assert result.epoch == 1
    return result


@pytest.fixture
def run(overfitted, tmp_path):
    return shutil.copytree(overfitted.path, tmp_path / "run")


def elbo(config, data, result):
    """The validation ELBO of a result's weights, measured again."""
    loop = Loop(config, data)
    for variable in loop.model.variables:
        variable.assign(weights(result)[variable.path])
    return loop.validation_elbo(1)


def test_the_best_epoch_is_kept_and_the_last_is_beside_it(overfitted, misleading_data):
    best, last = (load_run(overfitted.path, checkpoint) for checkpoint in ("best", "last"))
    assert (best.epoch, last.epoch) == (1, 3)
    assert same(best, load_run(overfitted.path))
    assert same(best, overfitted)
    assert not same(best, last)
    for result in (best, last):
        assert elbo(result.config, misleading_data, result) == result.kept.validation_elbo
    assert json.loads((overfitted.path / "config.json").read_text())["keeps"] == "best"


def test_a_stopped_run_has_the_same_checkpoints(overfitted, run, caplog):
    (run / "weights.npz").unlink()
    rows = (run / "history.csv").read_text().splitlines(keepends=True)
    (run / "history.csv").write_text("".join(rows[:-1]))  # it is written after the checkpoint
    caplog.clear()
    for checkpoint, expected in (("best", 1), ("last", 3), (None, 1)):
        result = load_run(run, checkpoint)
        assert (result.epoch, len(result.history)) == (expected, 3)
        assert same(result, load_run(overfitted.path, checkpoint))
    advice = f"cvae_train.train with the same arrays and recipe, run={str(run)!r}, resume=True"
    assert [record.getMessage() for record in caplog.records][:1] == [
        f"{run}: stopped after epoch 3 of 3; these are the weights of epoch 1. To finish the run, resume it with {advice}"
    ]


def test_a_run_without_a_complete_epoch_is_refused(run):
    (run / "weights.npz").unlink()
    (run / "checkpoint.npz").unlink()
    with pytest.raises(InputError) as caught:
        load_run(run)
    assert str(caught.value) == (
        f"{run}: expected a run with a complete epoch, found one that was stopped before; resume it with "
        f"cvae_train.train with the same arrays and recipe, run={str(run)!r}, resume=True"
    )


def test_an_unknown_checkpoint_is_refused(run):
    with pytest.raises(InputError, match=r"^checkpoint must be best or last; found 'first'$"):
        load_run(run, "first")


def as_of_an_older_version(run):
    fields = json.loads((run / "config.json").read_text())
    del fields["keeps"]
    (run / "config.json").write_text(json.dumps(fields))
    with np.load(run / "weights.npz") as archive:
        arrays = {name: array for name, array in archive.items() if name != "epochs"}
    (run / "weights.npz").write_bytes(npz_bytes(arrays))
    (run / "best.npz").unlink()


def test_an_older_run_is_read_and_keeps_its_last_epoch(run):
    as_of_an_older_version(run)
    result = load_run(run)
    assert (result.epoch, RunFolder(run).finished) == (3, True)
    with pytest.raises(InputError, match="found one without a validation set; pass --checkpoint last"):
        load_run(run, "best")


def test_the_result_tells_what_it_holds(overfitted):
    first, last = overfitted.history[0], overfitted.history[-1]
    lines = repr(overfitted).splitlines()
    assert lines[:9] == [
        "RunResult",
        f"  run              {overfitted.path}",
        "  model            8x8x1, 3 latent dimensions",
        "  weights          epoch 1 of 3 (best validation ELBO)",
        f"  test ELBO        {first.elbo:.2f} nats per image",
        f"  reconstruction   {first.reconstruction:.2f}",
        f"  KL               {first.kl:.2f}",
        f"  train ELBO       {first.train_elbo:.2f}",
        f"  validation ELBO  {first.validation_elbo:.2f}",
    ]
    assert lines[9].startswith(
        f"  warning          overfitting: the validation ELBO fell from {first.validation_elbo:.2f} at epoch 1 to "
        f"{last.validation_elbo:.2f} at epoch 3, and the weights of epoch 1 are kept; try more images"
    )
    assert "bits per dimension" not in repr(overfitted)
    assert re.search(r"weights +epoch 3 of 3\n", repr(load_run(overfitted.path, "last")))
    fields = overfitted.to_json()
    assert (fields["epoch"], fields["best_epoch"], fields["epochs"], fields["elbo"]) == (1, 1, 3, first.elbo)
    assert fields["warnings"] == overfitted.warnings
    assert json.loads(json.dumps(fields)) == fields

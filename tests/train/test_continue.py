"""Continuing a finished run with more epochs."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import InputError
from cvae_train import RunFolder, load_run, read_history, train
from cvae_train._loop.optimizer import make_optimizer
from tests.train.runs import untimed


@pytest.fixture(scope="module")
def short(tiny_config, tiny_data, tmp_path_factory):
    """A finished run of two epochs."""
    config = dataclasses.replace(tiny_config, epochs=2)
    return train(tiny_data, config, tmp_path_factory.mktemp("runs") / "short", quiet=True)


@pytest.fixture
def run(short, tmp_path):
    return shutil.copytree(short.path, tmp_path / "run")


def test_with_a_constant_rate_it_is_the_longer_run(run, replaced, tiny_data, tmp_path, capsys):
    whole = train(tiny_data, replaced(epochs=4), tmp_path / "whole", quiet=True)
    result = train(tiny_data, replaced(epochs=4), run, resume=True)
    lines = capsys.readouterr().err.splitlines()
    assert "continues after epoch 2, until epoch 4" in lines
    assert untimed(result.history) == untimed(whole.history)
    for name in ("weights.npz", "samples/image_at_epoch_0004.png"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    fields = json.loads((run / "config.json").read_text())
    assert (fields["config"]["epochs"], fields["continued_after"]) == (4, [2])
    before = (run / "weights.npz").stat().st_mtime_ns
    assert train(tiny_data, replaced(epochs=4), run, resume=True, quiet=True).epoch == 4  # the same command again
    assert (run / "weights.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize("moment", ["_run_epoch", "write_gif"])
def test_the_weights_stay_until_there_are_new_ones(moment, run, short, replaced, tiny_data, tmp_path, interrupted_at):
    weights = (run / "weights.npz").read_bytes()
    with interrupted_at(f"_train.{moment}"):
        train(tiny_data, replaced(epochs=3), run, resume=True, quiet=True)
    assert (run / "weights.npz").read_bytes() == weights
    assert not RunFolder(run).finished
    result = load_run(run)
    assert (result.epoch, list(result.history)) == (2, list(short.history))
    assert load_run(run, "last").epoch == (2 if moment == "_run_epoch" else 3)
    assert train(tiny_data, replaced(epochs=3), run, resume=True, quiet=True).epoch == 3
    train(tiny_data, replaced(epochs=3), tmp_path / "whole", quiet=True)
    assert (run / "weights.npz").read_bytes() == (tmp_path / "whole/weights.npz").read_bytes()
    assert RunFolder(run).finished


def test_a_stopped_continuation_resumes_to_the_uninterrupted_one(replaced, tiny_data, tmp_path, interrupted_in):
    shape = {"decay": "cosine", "warmup_steps": 2, "ema": 0.9, "validation_fraction": 0.25}
    train(tiny_data, replaced(epochs=1, **shape), tmp_path / "run", quiet=True)
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    longer = replaced(epochs=3, **shape)
    whole = train(tiny_data, longer, tmp_path / "whole", resume=True, quiet=True)
    with interrupted_in(3), pytest.raises(KeyboardInterrupt):
        train(tiny_data, longer, tmp_path / "run", resume=True, quiet=True)
    resumed = train(tiny_data, longer, tmp_path / "run", resume=True, quiet=True)
    assert untimed(resumed.history) == untimed(whole.history)
    for name in ("weights.npz", "best.npz"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_added_epochs_have_a_schedule_of_their_own(replaced):
    config = replaced(epochs=5, decay="cosine", warmup_steps=4)
    alone = make_optimizer(dataclasses.replace(config, epochs=2), 10)
    added = make_optimizer(config, 10, begun_after=3)
    for optimizer in (alone, added):
        optimizer.build([tf.Variable(0.0)])
    rates = {}
    for name, optimizer, first in (("alone", alone, 0), ("added", added, 30)):
        rates[name] = []
        for step in range(20):
            optimizer.iterations.assign(first + step)
            rates[name].append(float(optimizer.learning_rate))
    np.testing.assert_array_equal(rates["added"], rates["alone"])
    assert (rates["added"][0], max(rates["added"])) == (0.0, pytest.approx(1e-2))


def test_a_run_that_stopped_early_gets_its_patience_again(replaced, misleading_data, tmp_path):
    stopped = train(misleading_data, replaced(epochs=9, patience=1), tmp_path / "run", quiet=True)
    assert (stopped.epoch, len(stopped.history)) == (1, 2)
    (tmp_path / "run/best.npz").unlink()  # as in older versions, which renamed it to weights.npz
    result = train(misleading_data, replaced(epochs=10, patience=1), tmp_path / "run", resume=True, quiet=True)
    assert (result.epoch, len(result.history)) == (1, 3)
    with np.load(tmp_path / "run/weights.npz") as archive:
        for variable in stopped.model.variables:
            assert np.array_equal(archive[variable.path], variable.numpy())
    assert RunFolder(tmp_path / "run").finished


def test_fewer_epochs_are_other_settings(run, replaced, tiny_data):
    with pytest.raises(InputError) as caught:
        train(tiny_data, replaced(epochs=1), run, resume=True, quiet=True)
    assert str(caught.value) == (
        f"{run} was started with other settings; repeat them, or choose another folder:\n  config.epochs: 2 then, 1 now"
    )


def test_a_run_without_its_checkpoint_is_not_continued(run, replaced, tiny_data):
    (run / "checkpoint.npz").unlink()
    before = {path: path.read_bytes() for path in run.glob("*.*")}
    with pytest.raises(InputError) as caught:
        train(tiny_data, replaced(epochs=3), run, resume=True, quiet=True)
    assert str(caught.value) == (
        f"{run}: expected a run with checkpoint.npz, which training continues from, found none; restore the file, or "
        f"start another run from the weights with --from {run}"
    )
    assert {path: path.read_bytes() for path in run.glob("*.*")} == before
    assert len(read_history(run / "history.csv")) == 2

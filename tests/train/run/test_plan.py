"""The compute plan of a run: it is recorded, and a resumed run uses it again or logs a warning."""

import dataclasses
import json

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import RunFolder, train
from cvae_train._run.plan import Plan

# cvae-train as on a machine with this number of cores.
ON_CORES = """
import sys
from cvae_train._loop import compute as _compute
_compute.allowed_cores = lambda: {cores}
from cvae_train._cli import main
sys.argv[0] = "cvae-train"
main()
"""
RECIPE = ("--batch-size", "50", "--filters", "4,6", "--latent-dim", "3", "--seed", "5", "--quiet")


@pytest.fixture
def train_on(fresh_python, archive):
    """A function that trains with a number of cores: stderr."""

    def train_on(cores, run, *more, program=ON_CORES, code=0):
        result = fresh_python(program.format(cores=cores), archive, "--run", run, *RECIPE, *more)
        assert result.returncode == code, result.stderr
        return result.stderr

    return train_on


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    images = np.random.default_rng(3).integers(0, 256, (130, 8, 8, 1), np.uint8)
    path = tmp_path_factory.mktemp("images") / "set.npz"
    np.savez(path, x_train=images[:110], x_test=images[110:])
    return path


def test_a_run_resumed_on_fewer_cores_has_the_same_weights(train_on, tmp_path):
    stop = ON_CORES.replace(
        "from cvae_train._cli",
        "from cvae_train import _train\n"
        "whole = _train._save_epoch\n"
        "def stopped(folder, loop, history):\n"
        "    samples = whole(folder, loop, history)\n"
        "    if len(history) == 1:\n"
        "        raise KeyboardInterrupt\n"
        "    return samples\n"
        "_train._save_epoch = stopped\n"
        "from cvae_train._cli",
    )
    epochs = ("--epochs", "3")
    train_on(2, tmp_path / "undisturbed", *epochs)
    train_on(1, tmp_path / "of one core", *epochs)
    stopped = tmp_path / "stopped"
    train_on(2, stopped, *epochs, program=stop, code=130)
    assert not RunFolder(stopped).finished
    assert "was started with" not in train_on(1, stopped, *epochs, "--resume")
    weights = {run.name: (run / "weights.npz").read_bytes() for run in tmp_path.iterdir()}
    assert weights["stopped"] == weights["undisturbed"]
    assert weights["of one core"] != weights["undisturbed"]  # otherwise the test proves nothing
    plan = RunFolder(stopped).read_plan()
    assert (plan.towers, plan.threads, plan.replicas) == (2, 1, 1)


@pytest.mark.parametrize(
    ("changes", "then", "now"),
    [
        ({"replicas": 4, "workers": 2}, "replicas 4, workers 2", "replicas 1, workers 1"),
        ({"device": "GPU", "for_cpu": False}, "device GPU, for_cpu False", "device CPU, for_cpu True"),
        ({"threads": 97}, "threads 97", "threads {threads}"),
    ],
)
def test_a_resumed_run_that_cannot_compute_alike_says_so(
    changes, then, now, replaced, tiny_data, tmp_path, monkeypatch, caplog
):
    config, folder = replaced(epochs=1), RunFolder(tmp_path / "run")
    monkeypatch.setattr("cvae_train._train._finish", lambda *_: None)
    train(tiny_data, config, folder.path, quiet=True)
    fields = json.loads(folder.config.read_text())
    threads = fields["compute"]["threads"]
    fields["compute"] |= changes
    folder.config.write_text(json.dumps(fields))
    caplog.clear()
    train(tiny_data, config, folder.path, resume=True, quiet=True)
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == (
        f"{folder.path} was started with {then} and continues with {now.format(threads=threads)}: "
        f"its results will differ in rounding from those of an uninterrupted run"
    )


def test_a_run_that_computes_alike_says_nothing(replaced, tiny_data, tmp_path, monkeypatch, caplog):
    config, path = replaced(epochs=1), tmp_path / "run"
    monkeypatch.setattr("cvae_train._train._finish", lambda *_: None)
    for _ in range(2):
        train(tiny_data, config, path, resume=True, quiet=True)
    assert [record.getMessage() for record in caplog.records if record.name == "cvae_train"] == []


def test_a_plan_survives_json_and_runs_of_before_have_none(tmp_path):
    plan = Plan(towers=4, threads=2, precision="bfloat16", for_cpu=True, replicas=3)
    assert Plan.from_json(json.loads(json.dumps(dataclasses.asdict(plan))), "x") == plan
    (tmp_path / "config.json").write_text('{"format": 1, "config": {}, "data": {}}')
    assert RunFolder(tmp_path).read_plan() is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("towers", 0),
        ("towers", True),
        ("threads", -1),
        ("precision", 1),
        ("device", None),
        ("workers", "2"),
        ("replicas", 1.5),
    ],
)
def test_a_plan_that_no_version_wrote_is_refused(field, value):
    with pytest.raises(InputError) as caught:
        Plan.from_json(dataclasses.asdict(Plan()) | {field: value}, "config.json")
    assert str(caught.value) == (
        f"config.json: expected a compute.{field} as cvae-train writes it, found {value!r}; "
        f"restore the file, or start again with --overwrite"
    )

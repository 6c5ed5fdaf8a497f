import dataclasses
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cvae_runtime import InputError, TargetExistsError
from cvae_train import Callback, Dataset, DivergedError, RunFolder, load_run, read_history, train
from cvae_train._data.summary import describe_images
from cvae_train._loop.checkpoint import load_weights
from cvae_train._loop.loop import Loop
from cvae_train._run.folder import DataInfo
from cvae_train._run.plan import Plan
from tests.train.runs import same_weights, untimed
from tests.waits import wait_until


@pytest.fixture
def undisturbed(tiny_config, tiny_data, tmp_path):
    return train(tiny_data, tiny_config, tmp_path / "undisturbed", quiet=True)


def test_a_run_folder_holds_what_the_guide_says(undisturbed):
    names = {str(path.relative_to(undisturbed.path)) for path in undisturbed.path.rglob("*") if path.is_file()}
    pictures = {f"samples/image_at_epoch_{epoch:04d}.png" for epoch in range(4)}
    assert names == pictures | {
        "config.json",
        "environment.json",
        "history.csv",
        "checkpoint.npz",
        "cvae.gif",
        "elbo.png",
        "weights.npz",
    }


def test_history_is_elbo_and_its_parts(undisturbed):
    rows = read_history(undisturbed.path / "history.csv")
    assert rows == list(undisturbed.history)
    assert [row.epoch for row in rows] == [1, 2, 3]
    for row in rows:
        assert row.elbo == row.reconstruction - row.kl
        assert row.images_per_second == pytest.approx(40 / row.seconds)


def test_recipe_data_and_packages_are_recorded(undisturbed, tiny_config, tiny_data):
    assert RunFolder(undisturbed.path).read_config() == (tiny_config, DataInfo.of(tiny_data))
    assert json.loads((undisturbed.path / "environment.json").read_text())["packages"]["tensorflow"]


def test_any_epochs_picture_can_be_shown(undisturbed):
    pictures = [np.asarray(undisturbed.image(epoch)) for epoch in range(4)]
    assert {picture.shape for picture in pictures} == {(4 * (8 * 3 + 1) + 1, 4 * (8 * 3 + 1) + 1)}
    assert not np.array_equal(pictures[0], pictures[3])
    with pytest.raises(InputError, match="epoch must be 0 to 3; found 4"):
        undisturbed.image(4)


def test_the_gif_shows_the_epochs_of_the_notebooks_pacing(undisturbed):
    with Image.open(undisturbed.path / "cvae.gif") as gif:
        assert gif.n_frames >= 3  # epochs 0, 1, 2, 3 and 3 again; a GIF may merge equal frames


def test_the_same_seed_gives_the_same_run(undisturbed, tiny_config, tiny_data, tmp_path):
    again = train(tiny_data, tiny_config, tmp_path / "again", quiet=True)
    assert untimed(again.history) == untimed(undisturbed.history)
    assert same_weights(again.model, undisturbed.model)
    assert (again.path / "samples/image_at_epoch_0003.png").read_bytes() == (
        undisturbed.path / "samples/image_at_epoch_0003.png"
    ).read_bytes()


@pytest.mark.parametrize("moment", ["before the picture", "before the checkpoint", "before the history", "at the end"])
def test_a_run_that_dies_anywhere_resumes_to_the_undisturbed_one(
    undisturbed, tiny_config, tiny_data, tmp_path, monkeypatch, moment
):
    class PowerCutError(Exception):
        pass

    name = {
        "before the picture": "sample_picture",
        "before the checkpoint": "save_checkpoint",
        "before the history": "write_history",
        "at the end": "save_weights",
    }[moment]
    real, calls = getattr(sys.modules["cvae_train._train"], name), []

    def dying(*arguments):
        calls.append(name)
        if len(calls) == (1 if moment == "at the end" else 3):  # in epoch 2: epoch 0 and 1 were saved
            raise PowerCutError
        return real(*arguments)

    path = tmp_path / "cut"
    monkeypatch.setattr(f"cvae_train._train.{name}", dying)
    with pytest.raises(PowerCutError):
        train(tiny_data, tiny_config, path, quiet=True)
    monkeypatch.undo()
    resumed = train(tiny_data, tiny_config, path, resume=True, quiet=True)
    assert untimed(resumed.history) == untimed(undisturbed.history)
    assert untimed(read_history(path / "history.csv")) == untimed(undisturbed.history)
    assert same_weights(resumed.model, undisturbed.model)


def test_a_residual_run_resumes_to_the_undisturbed_one(rgb_config, rgb_data, tmp_path, resumed):
    odd = Dataset(rgb_data.train[:, :7], rgb_data.test[:, :7])
    model = dataclasses.replace(rgb_config.model, image_shape=(7, 8, 3), architecture="residual")
    config = dataclasses.replace(rgb_config, model=model, learning_rate=1e-3)
    whole = train(odd, config, tmp_path / "whole", quiet=True)
    assert whole.history[-1].elbo > whole.history[0].elbo
    assert untimed(resumed(odd, config).history) == untimed(whole.history)
    assert (tmp_path / "cut/weights.npz").read_bytes() == (tmp_path / "whole/weights.npz").read_bytes()
    loaded = load_run(tmp_path / "whole")
    assert loaded.config.model.architecture == "residual"
    assert same_weights(loaded.model, whole.model)


def test_sigkill_leaves_a_run_that_resumes(tiny_archive, tmp_path):
    """Kill a real process between two epochs, at an arbitrary moment."""
    recipe = [
        str(tiny_archive),
        *["--epochs", "60", "--batch-size", "16", "--filters", "4,6", "--latent-dim", "3", "--quiet"],
    ]
    command = [sys.executable, "-c", "from cvae_train._cli import main; main()", *recipe]
    killed, undisturbed = RunFolder(tmp_path / "killed"), RunFolder(tmp_path / "undisturbed")
    process = subprocess.Popen([*command, "--run", str(killed.path)])
    wait_until(killed.sample(3).exists, process=process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.finished
    assert 2 <= len(read_history(killed.history)) < 60
    subprocess.run([*command, "--run", str(killed.path), "--resume"], check=True)
    subprocess.run([*command, "--run", str(undisturbed.path)], check=True)
    assert untimed(read_history(killed.history)) == untimed(read_history(undisturbed.history))
    assert killed.weights.read_bytes() == undisturbed.weights.read_bytes()


def test_training_leaves_tensorflows_random_numbers_to_the_caller(undisturbed):
    # With op determinism, a setting of the whole process, drawing without a global seed raises.
    assert undisturbed.model.sample().shape == (100, 8, 8, 1)
    assert tf.random.normal([2]).shape == (2,)


def test_a_finished_run_is_left_as_it_is(undisturbed, tiny_config, tiny_data):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.path.rglob("*")}
    again = train(tiny_data, tiny_config, undisturbed.path, resume=True, quiet=True)
    assert again.history == list(undisturbed.history)
    assert {path: path.stat().st_mtime_ns for path in undisturbed.path.rglob("*")} == before


def test_resume_begins_a_run_where_there_is_none(tiny_config, tiny_data, tmp_path):
    assert len(train(tiny_data, tiny_config, tmp_path / "new", resume=True, quiet=True).history) == 3


def test_an_existing_run_is_neither_resumed_nor_deleted_unasked(undisturbed, tiny_config, tiny_data):
    with pytest.raises(TargetExistsError) as caught:
        train(tiny_data, tiny_config, undisturbed.path, quiet=True)
    assert str(caught.value) == (
        f"{undisturbed.path} already holds a run; pass --resume to continue it or --overwrite to start again"
    )
    again = train(tiny_data, tiny_config, undisturbed.path, overwrite=True, quiet=True)
    assert untimed(again.history) == untimed(undisturbed.history)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("option", ["resume", "overwrite"])
def test_a_run_that_another_process_is_at_work_on_is_refused(replaced, tiny_data, tmp_path, option, begun):
    path, config, refusals = tmp_path / "run", replaced(epochs=1), []

    class Other(Callback):
        """Stands in for another process: the lock treats it as one."""

        def on_train_begin(self, *_):
            with pytest.raises(InputError) as caught:
                train(tiny_data, config, path, quiet=True, **{option: True})
            refusals.append(str(caught.value))

    if begun:
        train(tiny_data, config, path, quiet=True)
    result = train(tiny_data, config, path, overwrite=True, quiet=True, callbacks=[Other()])
    message = (
        f"{path}: expected a folder that no process is writing, found another process at work in it; "
        f"wait until it ends, or choose another name"
    )
    assert refusals == [message]
    assert len(load_run(path).history) == len(result.history) == 1


def test_what_killed_processes_left_is_removed_on_resume(replaced, tiny_data, tmp_path):
    config, run = replaced(epochs=1), RunFolder(tmp_path / "run")
    train(tiny_data, config, run.path, quiet=True)
    litter = [
        run.path / ".checkpoint.npz.0123abcd.tmp",
        run.sample(0).with_name(".image_at_epoch_0000.png.89abcdef.tmp"),
    ]
    for path in litter:
        path.write_bytes(b"half")
    train(tiny_data, config, run.path, resume=True, quiet=True)
    assert not any(path.exists() for path in litter)


def test_a_folder_that_is_no_run_is_never_deleted(tiny_config, tiny_data, tmp_path):
    (tmp_path / "precious.txt").write_text("x")
    for option in ({"overwrite": True}, {"resume": True}, {}):
        with pytest.raises(InputError, match="expected a run folder or an empty one, found something else"):
            train(tiny_data, tiny_config, tmp_path, quiet=True, **option)
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("damage", [b"", None])
@pytest.mark.parametrize("name", ["samples/image_at_epoch_0001.png", "best.npz", "checkpoint.npz"])
def test_resume_checks_the_files_it_needs(name, damage, replaced, misleading_data, tmp_path, monkeypatch):
    config, path = replaced(epochs=2), tmp_path / "run"
    monkeypatch.setattr("cvae_train._train._finish", lambda *_: None)
    assert train(misleading_data, config, path, quiet=True).epoch == 1  # so best.npz is needed
    before = (path / "history.csv").read_bytes()
    (path / name).unlink()
    if damage is not None:
        (path / name).write_bytes(damage)
    elif name == "checkpoint.npz":
        (path / name).mkdir()
    with pytest.raises(InputError) as caught:
        train(misleading_data, config, path, resume=True, quiet=True)
    assert str(caught.value).startswith(f"{path / name}: ")
    assert (path / "history.csv").read_bytes() == before


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": 1, "config": {"model": {"image_shape": []}}}', "{"])
def test_a_config_of_something_else_lets_nothing_be_deleted(text, tiny_config, tiny_data, tmp_path):
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (True, False):  # no --overwrite is advised that would fail
        with pytest.raises(TargetExistsError, match="expected a run folder, found another folder, which is not over"):
            train(tiny_data, tiny_config, tmp_path, overwrite=overwrite, quiet=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "config.json": text,
        "thesis.tex": "years of work",
    }


@pytest.mark.parametrize(
    "name", ["thesis.tex", "samples/notes.txt", "bundle/manifest.json", ".git/config", "samples.zip"]
)
def test_what_others_put_into_a_run_is_kept_and_named(name, tiny_config, tiny_data, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.prepared(tiny_config, DataInfo.of(tiny_data), {}, Plan(), resume=False, overwrite=False):
        pass
    for path in ("tensorboard/events.out.tfevents.1.host", "evaluation.json", ".weights.npz.0123abcd.tmp", name):
        (folder.path / path).parent.mkdir(exist_ok=True)
        (folder.path / path).write_text("years of work")
    found = name if name in ("thesis.tex", "samples/notes.txt", "samples.zip") else f"{name.partition('/')[0]}/"
    with pytest.raises(TargetExistsError) as caught:
        train(tiny_data, tiny_config, folder.path, overwrite=True, quiet=True)
    assert str(caught.value) == (
        f"{folder.path}: expected a run folder and nothing else, found {found}; only what this project wrote is "
        f"overwritten: move the rest elsewhere, or choose another name"
    )
    (folder.path / name).unlink()
    if found.endswith("/"):
        (folder.path / found).rmdir()
    with folder.prepared(tiny_config, DataInfo.of(tiny_data), {}, Plan(), resume=False, overwrite=True):
        assert sorted(path.name for path in folder.path.iterdir()) == ["config.json", "environment.json", "samples"]


def test_other_settings_than_the_first_times_are_listed(undisturbed, replaced, tiny_data):
    other = Dataset(tiny_data.train, tiny_data.test[:5])
    with pytest.raises(InputError) as caught:
        train(other, replaced(epochs=5, learning_rate=0.5), undisturbed.path, resume=True, quiet=True)
    assert str(caught.value) == (
        f"{undisturbed.path} was started with other settings; repeat them, or choose another folder:\n"
        f"  config.learning_rate: 0.01 then, 0.5 now\n"
        f"  data.fingerprint: {tiny_data.fingerprint} then, {other.fingerprint} now"
    )


def test_data_of_another_shape_than_the_models_is_refused(tiny_config, tmp_path):
    images = np.zeros((3, 16, 8), np.uint8)
    with pytest.raises(InputError, match=r"expected images of the model's shape \(8, 8, 1\), found \(16, 8, 1\)"):
        train(Dataset(images, images), tiny_config, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_diverging_run_keeps_its_last_good_checkpoint(replaced, tiny_data, tmp_path):
    with pytest.raises(DivergedError, match="epoch 1, step 2; the checkpoint of epoch 0 is kept"):
        train(tiny_data, replaced(learning_rate=1e30), tmp_path / "run", quiet=True)
    assert (tmp_path / "run/checkpoint.npz").is_file()
    assert read_history(tmp_path / "run/history.csv") == []


def test_runs_are_numbered_where_no_folder_is_named(replaced, tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [train(tiny_data, replaced(epochs=1), quiet=True).path for _ in range(2)]
    assert [str(path) for path in paths] == ["runs/0001", "runs/0002"]


def test_progress_is_a_line_an_epoch_where_stderr_is_no_terminal(replaced, tiny_data, tmp_path, capsys):
    result = train(tiny_data, replaced(epochs=1), tmp_path / "run")
    record = result.history[0]
    *images, first, units, headings, row = capsys.readouterr().err.splitlines()
    assert images == describe_images(replaced(epochs=1), tiny_data)
    assert re.fullmatch(r"float32 layers on [CG]PU, batches in \d+ tower\(s\)", first)
    assert (units, headings) == (
        "ELBO and KL in nats per image",
        "epoch   test ELBO        KL       train  time left",
    )
    assert row == f"  1/1  {record.elbo:10.2f}  {record.kl:8.2f}  {record.train_elbo:10.2f}      00:00"


def test_an_interrupt_says_how_arrays_go_on(tiny_config, tiny_data, tmp_path, interrupted_in):
    with interrupted_in(2), pytest.raises(KeyboardInterrupt) as caught:
        train(tiny_data, tiny_config, tmp_path / "run", quiet=True)
    assert caught.value.__notes__ == [
        f"{tmp_path / 'run'}: 1 of 3 epochs are complete",
        (
            f"resume it with cvae_train.train with the same arrays and recipe, run={str(tmp_path / 'run')!r}, "
            f"resume=True"
        ),
    ]


def test_a_run_killed_before_its_config_leaves_nothing(tiny_config, tiny_data, tmp_path, interrupted_at):
    with interrupted_at("_run.folder.write_json"):
        train(tiny_data, tiny_config, tmp_path / "run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_one_is_in_is_no_run_folder(tiny_config, tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"cannot write \.: expected a name"):
        train(tiny_data, tiny_config, ".", quiet=True)


STOPPING = {"validation_fraction": 0.25, "patience": 2, "epochs": 40, "learning_rate": 0.03}


def test_early_stopping_keeps_the_best_weights(replaced, tiny_data, tmp_path, capsys):
    result = train(tiny_data, replaced(**STOPPING), tmp_path / "run")
    elbos = [record.validation_elbo for record in result.history]
    best = int(np.argmax(elbos)) + 1
    assert len(elbos) == best + 2 < 40
    assert result.kept == result.history[best - 1]
    assert capsys.readouterr().err.splitlines()[-1] == "stopped early: no better validation ELBO for 2 epochs"
    loop = Loop(replaced(**STOPPING), tiny_data)
    load_weights(tmp_path / "run/weights.npz", loop.model)
    assert loop.validation_elbo(1) == max(elbos)
    again = train(tiny_data, replaced(**STOPPING), tmp_path / "run", resume=True, quiet=True)
    assert again.kept == result.kept


def test_a_run_that_was_to_stop_stops_when_it_is_resumed(replaced, tiny_data, tmp_path, interrupted_at):
    with interrupted_at("_train.write_gif"):
        train(tiny_data, replaced(**STOPPING), tmp_path / "run", quiet=True)
    whole = train(tiny_data, replaced(**STOPPING), tmp_path / "whole", quiet=True)
    resumed = train(tiny_data, replaced(**STOPPING), tmp_path / "run", resume=True, quiet=True)
    assert untimed(resumed.history) == untimed(whole.history)
    assert (tmp_path / "run/weights.npz").read_bytes() == (tmp_path / "whole/weights.npz").read_bytes()


def test_a_resumed_run_goes_on_with_its_average(replaced, tiny_data, tmp_path, interrupted_at):
    config = replaced(ema=0.9)
    whole = train(tiny_data, config, tmp_path / "whole", quiet=True)
    with interrupted_at("_train.write_gif"):
        train(tiny_data, config, tmp_path / "run", quiet=True)
    resumed = train(tiny_data, config, tmp_path / "run", resume=True, quiet=True)
    assert untimed(resumed.history) == untimed(whole.history)
    assert (tmp_path / "run/weights.npz").read_bytes() == (tmp_path / "whole/weights.npz").read_bytes()
    loop = Loop(config, tiny_data)
    load_weights(tmp_path / "run/weights.npz", loop.model)
    reconstruction, kl = loop.test_elbo(1)
    assert reconstruction - kl == whole.history[-1].elbo

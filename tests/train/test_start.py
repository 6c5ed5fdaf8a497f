"""Starting a run from the weights of another."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_train import Dataset, ModelConfig, RunFolder, load_run, train
from cvae_train._cli import command


@pytest.fixture(scope="module")
def old(tiny_config, tiny_data, tmp_path_factory):
    """A finished run of one epoch."""
    config = dataclasses.replace(tiny_config, epochs=1)
    return train(tiny_data, config, tmp_path_factory.mktemp("runs") / "old", quiet=True)


@pytest.fixture(scope="module")
def negatives(tiny_data):
    return Dataset(255 - tiny_data.train, 255 - tiny_data.test)


def weights(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def layers(arrays):
    return list(dict.fromkeys(name.rpartition("/")[0] for name in arrays))


@pytest.mark.parametrize("freeze", ["encoder", "decoder"])
def test_a_frozen_part_keeps_its_weights(old, replaced, negatives, tmp_path, freeze):
    result = train(negatives, replaced(epochs=1), tmp_path / "new", start_from=old.path, freeze=freeze, quiet=True)
    before, after = weights(old.model), weights(result.model)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(freeze)}
    fields = json.loads((tmp_path / "new/config.json").read_text())
    assert fields["freeze"] == freeze
    assert fields["start"] == {
        "run": "old",
        "epoch": 1,
        "weights_sha256": hashlib.sha256((old.path / "weights.npz").read_bytes()).hexdigest(),
        "taken": layers(before),
    }
    course = RunFolder(tmp_path / "new").read_course()
    assert (course.start.run, course.start.taken, course.freeze) == ("old", tuple(layers(before)), freeze)


def test_without_an_epoch_in_between_the_weights_are_those_of_the_run(
    old, replaced, negatives, tmp_path, interrupted_in
):
    with interrupted_in(1), pytest.raises(KeyboardInterrupt):
        train(negatives, replaced(epochs=1), tmp_path / "new", start_from=old.path, quiet=True)
    with np.load(tmp_path / "new/checkpoint.npz") as archive:
        for name, array in weights(old.model).items():
            assert np.array_equal(archive[name], array)


def test_another_size_takes_what_fits(old, replaced, tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 2, (20, 16, 12, 1), np.uint8) * 255
    config = replaced(epochs=1, model=ModelConfig(image_shape=(16, 12, 1), latent_dim=3, filters=(4, 6)))
    result = train(Dataset(images[:12], images[12:]), config, tmp_path / "new", start_from=old.path)
    taken = RunFolder(tmp_path / "new").read_course().start.taken
    new = ["encoder/dense", "decoder/dense"]  # their sizes depend on the image
    assert sorted(taken) == sorted(set(layers(weights(result.model))) - set(new))
    line = f"weights of old, epoch 1: {len(taken)} of {len(taken) + len(new)} layers taken; new: {', '.join(new)}"
    assert line in capsys.readouterr().err.splitlines()
    for freeze in ("encoder", "decoder"):
        unfit = ", ".join(name for name in new if name.startswith(freeze))
        with pytest.raises(InputError) as caught:
            train(
                Dataset(images[:12], images[12:]),
                config,
                tmp_path / "x",
                start_from=old.path,
                freeze=freeze,
                quiet=True,
            )
        assert str(caught.value) == (
            f"{old.path}: expected weights that fit the whole {freeze}, which is to be frozen, found other shapes in "
            f"{unfit}; leave --freeze out, or use images and a model of that run's shapes"
        )
    assert not (tmp_path / "x").exists()


def test_weights_that_fit_nowhere_are_refused(old, replaced, negatives, tmp_path):
    config = replaced(model=ModelConfig(image_shape=(8, 8, 1), latent_dim=2, filters=(7,)))
    with pytest.raises(InputError) as caught:
        train(negatives, config, tmp_path / "new", start_from=old.path, quiet=True)
    assert str(caught.value) == (
        f"{old.path}: expected weights that fit the model, found other shapes in every layer; start without --from, or "
        f"use the filters and the latent dimensions of that run"
    )


def test_freeze_needs_a_run(replaced, negatives, tmp_path):
    with pytest.raises(InputError) as caught:
        train(negatives, replaced(), tmp_path / "new", freeze="encoder", quiet=True)
    assert str(caught.value) == (
        "freeze: expected start_from, whose weights are frozen, found freeze 'encoder' alone; set it"
    )


def test_a_resumed_run_needs_the_other_no_more(old, replaced, negatives, tmp_path, interrupted_in):
    arguments = (negatives, replaced(epochs=2))
    start = {"start_from": tmp_path / "old", "freeze": "encoder", "quiet": True}
    (tmp_path / "old").symlink_to(old.path, target_is_directory=True)
    start["start_from"] = old.path
    whole = train(*arguments, tmp_path / "whole", **start)
    with interrupted_in(2), pytest.raises(KeyboardInterrupt):
        train(*arguments, tmp_path / "run", **start)
    with pytest.raises(InputError) as caught:
        train(*arguments, tmp_path / "run", start_from=tmp_path / "other", resume=True, quiet=True)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: expected --from old --freeze encoder, as the run was started with, found --from other "
        f"--freeze None; leave both out, or choose another folder"
    )
    train(*arguments, tmp_path / "run", resume=True, quiet=True)
    assert (tmp_path / "run/weights.npz").read_bytes() == (whole.path / "weights.npz").read_bytes()
    assert train(*arguments, tmp_path / "run", resume=True, **start).epoch == 2


def test_a_run_killed_before_its_first_checkpoint_needs_the_same_weights(
    old, replaced, negatives, tmp_path, interrupted_at
):
    arguments = (negatives, replaced(epochs=1), tmp_path / "run")
    with interrupted_at("_train._save_epoch"):
        train(*arguments, start_from=old.path, quiet=True)
    digest = hashlib.sha256((old.path / "weights.npz").read_bytes()).hexdigest()
    with pytest.raises(InputError) as caught:
        train(*arguments, resume=True, quiet=True)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: expected --from with the weights of old that have the SHA-256 {digest}, since the run was "
        f"stopped before it saved them; start again with --overwrite"
    )
    resumed = train(*arguments, start_from=old.path, resume=True, quiet=True)
    whole = train(*arguments[:2], tmp_path / "whole", start_from=old.path, quiet=True)
    assert (resumed.path / "weights.npz").read_bytes() == (whole.path / "weights.npz").read_bytes()


def test_the_command_takes_the_model_of_the_run(old, whole_console, tmp_path, tiny_data):
    np.savez(tmp_path / "set.npz", x_train=255 - tiny_data.train, x_test=tiny_data.test)
    options = ("--run", tmp_path / "new", "--from", old.path, "--freeze", "decoder", "--epochs", 1, "--json")
    code, out, err = whole_console(command, "cvae-train", tmp_path / "set.npz", *options)
    assert (code, json.loads(out)) == (0, load_run(tmp_path / "new").to_json())
    assert "weights of old, epoch 1: 7 of 7 layers taken; the decoder is frozen" in err.splitlines()
    assert RunFolder(tmp_path / "new").read_config()[0].model == old.config.model
    code, out, err = whole_console(command, "cvae-train", tmp_path / "set.npz", "--freeze", "decoder")
    assert (code, err.splitlines()[-1]) == (2, "Error: --freeze needs --from RUN, whose weights it keeps")

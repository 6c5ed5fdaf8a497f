import json

import numpy as np
import pytest

from cvae_runtime import InputError
from cvae_runtime.images import npz_bytes
from cvae_train import CVAE, EpochRecord, ModelConfig
from cvae_train._loop.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from cvae_train._loop.loop import Loop

RECORD = EpochRecord(1, -3.0, -2.0, 1.0, -4.0, 0.5, 80.0)


@pytest.fixture
def loop(tiny_config, tiny_data):
    loop = Loop(tiny_config, tiny_data)
    loop.train_epoch(1, lambda *_: None)
    return loop


def test_a_checkpoint_brings_model_optimizer_and_history_back(loop, tiny_config, tiny_data, tmp_path):
    save_checkpoint(tmp_path / "c.npz", loop.model, loop.optimizer, [RECORD])
    fresh = Loop(tiny_config, tiny_data)
    assert load_checkpoint(tmp_path / "c.npz", fresh.model, fresh.optimizer) == [RECORD]
    pairs = zip(
        [*loop.model.variables, *loop.optimizer.variables],
        [*fresh.model.variables, *fresh.optimizer.variables],
        strict=True,
    )
    for saved, loaded in pairs:
        assert np.array_equal(saved, loaded), saved.path
    assert int(fresh.optimizer.iterations.numpy()) == 3


def test_weights_are_stored_under_their_layers_names(loop, tmp_path):
    save_weights(tmp_path / "w.npz", loop.model)
    with np.load(tmp_path / "w.npz") as archive:
        assert archive["encoder/conv_1/kernel"].shape == (3, 3, 1, 4)
        assert archive["decoder/conv_transpose_out/bias"].shape == (1,)
        assert {array.dtype for array in archive.values()} == {np.dtype(np.float32)}


def test_weights_of_another_model_are_refused(loop, tmp_path):
    save_weights(tmp_path / "w.npz", loop.model)
    wider = CVAE(ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(5, 6)))
    with pytest.raises(InputError) as caught:
        load_weights(tmp_path / "w.npz", wider)
    assert str(caught.value) == (
        f"{tmp_path / 'w.npz'}: encoder/conv_1/kernel: expected shape (3, 3, 1, 5), found (3, 3, 1, 4); "
        f"the file belongs to another model"
    )


def test_a_damaged_checkpoint_is_named(loop, tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, loop.model, loop.optimizer, [RECORD])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"c.npz: cannot be read as a NumPy file"):
        load_checkpoint(path, loop.model, loop.optimizer)


@pytest.fixture
def with_state(loop, tmp_path):
    """A function that writes a checkpoint with the given state."""

    def write(state):
        path = tmp_path / "c.npz"
        save_checkpoint(path, loop.model, loop.optimizer, [RECORD])
        with np.load(path) as archive:
            arrays = dict(archive)
        path.write_bytes(npz_bytes({**arrays, "state": np.array(state)}))
        return path

    return write


@pytest.mark.parametrize("version", [0, 2, "1"])
def test_a_checkpoint_of_another_version_is_refused(version, loop, with_state):
    path = with_state(json.dumps({"version": version, "history": []}))
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, loop.model, loop.optimizer)
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of version 1, found version {version}; "
        f"use the version of cvae-toolkit that wrote it, or start again with --overwrite instead of --resume"
    )


@pytest.mark.parametrize(
    "state",
    ["", "no JSON", "[]", "{}", "[" * 100_000, '{"version": 1}', '{"version": 1, "history": [{"epoch": 1}]}'],
    ids=["empty", "text", "list", "nothing", "deep", "no history", "half a record"],
)
def test_a_checkpoint_of_no_state_is_refused(state, loop, with_state):
    path = with_state(state)
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, loop.model, loop.optimizer)
    assert str(caught.value).startswith(f"{path}: expected a checkpoint, found ")
    assert str(caught.value).endswith("; start again with --overwrite instead of --resume")


def test_a_checkpoint_of_text_in_the_place_of_weights_is_refused(loop, tmp_path):
    path, variable = tmp_path / "c.npz", loop.model.variables[0]
    save_checkpoint(path, loop.model, loop.optimizer, [RECORD])
    with np.load(path) as archive:
        arrays = dict(archive)
    path.write_bytes(npz_bytes({**arrays, variable.path: np.array("text")}))
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, loop.model, loop.optimizer)
    assert str(caught.value) == f"{path}: {variable.path}: expected numbers, found <U4; the file is damaged"


def test_the_same_state_gives_the_same_bytes(loop, tmp_path):
    for name in ("a.npz", "b.npz"):
        save_checkpoint(tmp_path / name, loop.model, loop.optimizer, [RECORD])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()

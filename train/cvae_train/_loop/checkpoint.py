"""Checkpoints and weights, each one NumPy archive that is written and then renamed.

A checkpoint holds everything that the next epoch depends on: weights, optimizer, epoch and history. Random numbers have
no state: they are functions of seed, epoch and step.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.files import parse_json, write_file
from cvae_runtime.images import npz_bytes, read_npz

from .._config import TrainConfig
from .._model import CVAE
from .._run import EPOCHS, EpochRecord, Part
from .optimizer import make_optimizer, trained_variables

VERSION = 1

Arrays = Mapping[str, NDArray[Any]]


def save_weights(path: Path, model: keras.Model, epochs: int | None = None) -> None:
    """Write a model's variables by their paths, ``encoder/conv_1/kernel`` and so on.

    Args:
        path: the file.
        model: the model.
        epochs: number of complete epochs of the finished run, which the file of its weights also holds.
    """
    extra = {} if epochs is None else {EPOCHS: np.array(epochs)}
    write_file(path, npz_bytes({**_named(model.variables), **extra}))


def load_weights(path: Path, model: keras.Model) -> None:
    """Load weights into a model of the same shape.

    Raises:
        InputError: the file is damaged, or belongs to another model.
    """
    names = [variable.path for variable in model.variables]
    _assign(path, model.variables, dict(zip(names, read_npz(path, names), strict=True)))


def save_checkpoint(
    path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer, history: Iterable[EpochRecord]
) -> None:
    """Write the state that a run needs to resume after the last epoch of ``history``."""
    state = {"version": VERSION, "history": [dataclasses.asdict(record) for record in history]}
    arrays = _named([*model.variables, *optimizer.variables])
    write_file(path, npz_bytes({"state": np.array(json.dumps(state, allow_nan=False)), **arrays}))


def load_checkpoint_weights(path: Path, model: CVAE, config: TrainConfig, freeze: Part | None) -> None:
    """Load the weights that a run would keep of the checkpoint's epoch: their average, if it has one.

    Raises:
        InputError: as `load_checkpoint`.
    """
    trained = trained_variables(model, freeze)
    optimizer = make_optimizer(config, steps_per_epoch=1)
    optimizer.build(trained)
    load_checkpoint(path, model, optimizer)
    optimizer.finalize_variable_values(trained)


def read_checkpoint_history(path: Path) -> list[EpochRecord]:
    """Read the history of a checkpoint.

    Raises:
        InputError: the file is damaged or of another version.
    """
    return _history_of(path, str(read_npz(path, ["state"])[0]))


def take_weights(model: keras.Model, arrays: Arrays) -> None:
    """Assign arrays to the variables with their names; the other variables stay as they are."""
    for variable in model.variables:
        if variable.path in arrays:
            variable.assign(arrays[variable.path])


def load_checkpoint(path: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> list[EpochRecord]:
    """Load a checkpoint into a model and its optimizer.

    Returns:
        The history; its length is the number of complete epochs.

    Raises:
        InputError: the file is damaged, of another version, or belongs to another model.
    """
    variables = [*model.variables, *optimizer.variables]
    names = [variable.path for variable in variables]
    state_array, *arrays = read_npz(path, ["state", *names])
    history = _history_of(path, str(state_array))
    _assign(path, variables, dict(zip(names, arrays, strict=True)))
    return history


def _history_of(path: Path, text: str) -> list[EpochRecord]:
    try:
        state = parse_json(text)
        if (found := state["version"]) != VERSION:
            raise InputError(
                f"{path}: expected a checkpoint of version {VERSION}, found version {found}; "
                f"use the version of cvae-toolkit that wrote it, or start again with --overwrite instead of --resume"
            )
        return [EpochRecord(**record) for record in state["history"]]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: expected a checkpoint, found {error!r}; start again with --overwrite instead of --resume"
        ) from error


def _named(variables: Iterable[keras.Variable]) -> Arrays:
    return {variable.path: variable.numpy() for variable in variables}


def _assign(path: Path, variables: Iterable[keras.Variable], arrays: Arrays) -> None:
    for variable in variables:
        array = np.asarray(arrays[variable.path])
        if array.dtype.kind not in "fiu":
            raise InputError(f"{path}: {variable.path}: expected numbers, found {array.dtype}; the file is damaged")
        if array.shape != tuple(variable.shape):
            raise InputError(
                f"{path}: {variable.path}: expected shape {tuple(variable.shape)}, found {array.shape}; "
                f"the file belongs to another model"
            )
        variable.assign(array)

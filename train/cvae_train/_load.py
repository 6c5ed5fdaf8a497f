"""Load the model of a run: of a finished one, of a checkpoint, and as the start of another run."""

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

from ._config import TrainConfig
from ._loop import load_checkpoint_weights, load_weights, read_checkpoint_history
from ._model import CVAE
from ._run import Checkpoint, EpochRecord, Part, RunFolder, RunResult, Start, read_history, resume_advice

_log = logging.getLogger("cvae_train")


def load_run(path: str | Path, checkpoint: Checkpoint | None = None) -> RunResult:
    """Read a run, with its best or its last weights.

    The run may be unfinished: then a warning is logged that says which epoch the weights are from.

    Args:
        path: the run folder.
        checkpoint: "best": the weights of the epoch of best validation ELBO; "last": those of the last complete epoch.
            Default: "best" if the run has a validation set, otherwise "last". While a finished run without a validation
            set is continued, the default is its weights before that.

    Raises:
        InputError: the folder does not hold a run with a complete epoch, or ``checkpoint`` is "best" and the run has no
            validation set.

    Examples:
        >>> result = cvae_train.load_run("runs/0001")
        >>> result.epoch, result.model.config.latent_dim
        (2, 3)
    """
    return _load(Path(path), checkpoint)[0]


def _load(path: Path, checkpoint: Checkpoint | None) -> tuple[RunResult, Path]:
    """Return the run and the file that has its weights."""
    if checkpoint not in (None, *get_args(Checkpoint)):
        raise InputError(f"checkpoint must be best or last; found {checkpoint!r}")
    folder = RunFolder(path)
    config, _ = folder.read_config()
    course, finished = folder.read_course(), folder.finished
    history = read_history(folder.history) if finished else _unfinished_history(folder)
    complete = len(history)
    if checkpoint == "best" and not course.has_best(history):
        raise InputError(
            f"{path}: expected a run that keeps its best epoch, found one without a validation set; pass "
            f"--checkpoint last"
        )
    if checkpoint is None and folder.weights.is_file() and not finished and not course.has_best(history):
        history, finished = history[: course.begun_after], True  # it is being continued
    kept = course.kept_epoch(history)
    epoch = len(history) if checkpoint == "last" else kept
    model = CVAE(config.model)
    if finished and epoch == kept:
        file = folder.weights
        load_weights(file, model)
    elif epoch == len(history):
        file = folder.checkpoint
        load_checkpoint_weights(file, model, config, course.freeze)
    else:
        file = folder.best
        load_weights(file, model)
    if not folder.finished:
        _log.warning(
            "%s: stopped after epoch %d of %d; these are the weights of epoch %d. To finish the run, %s",
            path,
            complete,
            config.epochs,
            epoch,
            resume_advice(folder),
        )
    return RunResult(path, config, history, model, epoch), file


def _unfinished_history(folder: RunFolder) -> list[EpochRecord]:
    # history.csv is written after the checkpoint and may lack its last epoch.
    history = read_checkpoint_history(folder.checkpoint) if folder.checkpoint.is_file() else []
    if not history:
        raise InputError(
            f"{folder.path}: expected a run with a complete epoch, found one that was stopped before; "
            f"{resume_advice(folder)}"
        )
    return history


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights that a run starts from.

    Attributes:
        start: their record.
        arrays: the weights, by the names of the variables.
        new: names of the layers of the new model that start at random.
        freeze: the part of the new model that is not trained.
    """

    start: Start
    arrays: Mapping[str, NDArray[Any]]
    new: Sequence[str]
    freeze: Part | None

    def describe(self) -> str:
        """Describe which weights are taken in a line."""
        start = self.start
        count = len(start.taken) + len(self.new)
        parts = [f"weights of {start.run}, epoch {start.epoch}: {len(start.taken)} of {count} layers taken"]
        if self.new:
            parts.append(f"new: {', '.join(self.new)}")
        if self.freeze is not None:
            parts.append(f"the {self.freeze} is frozen")
        return "; ".join(parts)


def read_source(path: str | Path, config: TrainConfig, freeze: Part | None) -> Source:
    """Read the weights of a run that another run with the recipe ``config`` starts from.

    If only the new model has labels, the kernels of layers that take the label beside other inputs get rows of zeros
    for it. So the new model begins with the outputs of the old one, whatever the label.

    Raises:
        InputError: as `load_run`; or no layer fits, or one of the part ``freeze`` does not.
    """
    if freeze not in (None, *get_args(Part)):
        raise InputError(f"freeze must be encoder or decoder; found {freeze!r}")
    result, file = _load(Path(path), None)
    arrays = {variable.path: variable.numpy() for variable in result.model.variables}
    label_rows = 0 if result.config.model.labels else config.model.label_inputs
    layers: dict[str, list[str]] = {}
    unfit, padded = set(), set()
    for variable in CVAE(config.model).variables:
        layer, shape = variable.path.rpartition("/")[0], tuple(variable.shape)
        layers.setdefault(layer, []).append(variable.path)
        if label_rows and variable.path in arrays and shape == _with_rows(arrays[variable.path].shape, label_rows):
            arrays[variable.path] = np.pad(arrays[variable.path], ((0, label_rows), (0, 0)))  # labels come last
            padded.add(layer)
        if variable.path not in arrays or arrays[variable.path].shape != shape:
            unfit.add(layer)
    taken, new = (tuple(name for name in layers if (name in unfit) is other) for other in (False, True))
    if not taken:
        raise InputError(
            f"{path}: expected weights that fit the model, found other shapes in every layer; start without --from, or "
            f"use the filters and the latent dimensions of that run"
        )
    # A frozen layer would ignore the label for good.
    if freeze is not None and (others := [n for n in layers if n in unfit | padded and n.startswith(f"{freeze}/")]):
        raise InputError(
            f"{path}: expected weights that fit the whole {freeze}, which is to be frozen, found other shapes in "
            f"{', '.join(others)}; leave --freeze out, or use images and a model of that run's shapes"
        )
    arrays = {path: arrays[path] for name in taken for path in layers[name]}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Source(Start(Path(path).resolve().name, result.epoch, digest, taken), arrays, new, freeze)


def _with_rows(shape: tuple[int, ...], rows: int) -> tuple[int, ...]:
    """Shape of a kernel, (inputs, outputs), with more inputs; empty for other shapes."""
    return (shape[0] + rows, shape[1]) if len(shape) == 2 else ()

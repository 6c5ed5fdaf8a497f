"""Training a model from its first epoch to its last, or from where it was left."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvae_runtime import InputError, prior_latents, write_file

from ._checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from ._compute import choose_compute
from ._config import TrainConfig
from ._data import Dataset, load_data
from ._history import EpochRecord, read_history, write_history
from ._illustrate import SAMPLES, gif_epochs, sample_picture, write_elbo_curve, write_gif
from ._loop import Loop
from ._model import CVAE
from ._progress import Progress
from ._run import DataInfo, RunFolder, describe_environment
from ._tensorflow import op_determinism


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        path: its folder.
        config: its recipe.
        history: a record an epoch.
        model: the trained network.
    """

    path: Path
    config: TrainConfig
    history: Sequence[EpochRecord]
    model: CVAE

    def image(self, epoch: int) -> Any:
        """The samples drawn after an epoch (0: before training), as a PIL image; a notebook shows it.

        Raises:
            InputError: the run has no such epoch.
        """
        from PIL import Image

        if not 0 <= epoch <= len(self.history):
            raise InputError(f"epoch must be 0 to {len(self.history)}; found {epoch}")
        with Image.open(RunFolder(self.path).sample(epoch)) as picture:
            return picture.copy()


def train(
    config: TrainConfig | None = None,
    data: Dataset | None = None,
    run: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Train a model and leave config, history, checkpoint, pictures and weights in a run folder.

    Args:
        config: the recipe; the 2018 notebook's if not given.
        data: the images; the embedded MNIST if not given.
        run: the run folder; ``runs/0001`` or the next free number if not given.
        resume: go on with the run in that folder from its last whole epoch, if there is one. The result is that of
            undisturbed training.
        overwrite: delete the run in that folder first.
        quiet: show no progress.

    Raises:
        InputError: data and config do not fit each other, or the folder holds a run of other settings.
        TargetExistsError: the folder holds a run and neither resume nor overwrite was given.
        DivergedError: the loss became infinite or not a number.
    """
    config = config or TrainConfig()
    data = data or load_data()
    if data.image_shape != config.model.image_shape:
        raise InputError(
            f"the model takes images of shape {config.model.image_shape}, the data has {data.image_shape}; "
            f"give ModelConfig the data's image_shape"
        )
    folder = RunFolder(Path(run) if run is not None else _next_free(Path("runs")))
    compute = choose_compute(config.precision, config.batch_size)
    environment = describe_environment() | {"compute": dataclasses.asdict(compute)}
    folder.prepare(config, DataInfo.of(data), environment, resume=resume, overwrite=overwrite)
    if folder.finished:
        return load_run(folder.path)
    with op_determinism(config.deterministic):
        loop = Loop(config, data, compute)
        history = _continue(folder, loop)
        with Progress(config.epochs, loop.steps_per_epoch, quiet=quiet) as progress:
            progress.say(f"{compute.precision} layers, batches in {compute.towers} tower(s)")
            for epoch in range(len(history) + 1, config.epochs + 1):
                progress.begin(epoch)
                record = _run_epoch(loop, epoch, progress)
                history.append(record)
                _save_epoch(folder, loop, history)
                progress.end(record, config.model.bits_per_dimension(record.elbo))
        _finish(folder, loop.model, history)
    return RunResult(folder.path, config, history, loop.model)


def load_run(path: str | Path) -> RunResult:
    """Read a finished run.

    Raises:
        InputError: no finished run lies there.
    """
    folder = RunFolder(Path(path))
    config, _ = folder.read_config()
    if not folder.finished:
        raise InputError(
            f"{folder.path}: the run is not finished; go on with it by cvae-train --run {folder.path} --resume"
        )
    model = CVAE(config.model)
    load_weights(folder.weights, model)
    return RunResult(folder.path, config, read_history(folder.history), model)


def _continue(folder: RunFolder, loop: Loop) -> list[EpochRecord]:
    """Put the folder's checkpoint into the loop, or save the loop as the first one: the epochs that are done."""
    if folder.checkpoint.is_file():
        return load_checkpoint(folder.checkpoint, loop.model, loop.optimizer)
    _save_epoch(folder, loop, [])
    return []


def _run_epoch(loop: Loop, epoch: int, progress: Progress) -> EpochRecord:
    start = time.perf_counter()
    train_elbo = loop.train_epoch(epoch, progress.steps)
    seconds = time.perf_counter() - start
    reconstruction, kl = loop.test_elbo(epoch)
    rate = loop.train_count / seconds
    return EpochRecord(epoch, reconstruction - kl, reconstruction, kl, train_elbo, seconds, rate)


def _save_epoch(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    # The checkpoint is the truth that a resumed run starts from, so what belongs to the epoch is written before it
    # and what only repeats it after; both come out the same when they are written again.
    latents = prior_latents(loop.config.seed, 0, SAMPLES, loop.config.model.latent_dim)
    write_file(folder.sample(len(history)), sample_picture(loop.decode(latents)))
    save_checkpoint(folder.checkpoint, loop.model, loop.optimizer, history)
    write_history(folder.history, history)


def _finish(folder: RunFolder, model: CVAE, history: Sequence[EpochRecord]) -> None:
    write_history(folder.history, history)
    write_elbo_curve(folder.elbo_curve, history)
    write_gif(folder.gif, [folder.sample(epoch) for epoch in gif_epochs(len(history))])
    save_weights(folder.weights, model)


def _next_free(folder: Path) -> Path:
    number = 1
    while (path := folder / f"{number:04d}").exists():
        number += 1
    return path

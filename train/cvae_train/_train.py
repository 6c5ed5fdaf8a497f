"""Training a model from its first epoch to its last, or from where it was left."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError, prior_latents
from cvae_runtime.files import move_file, write_file
from cvae_runtime.images import read_npz, read_picture

from ._config import TrainConfig
from ._data import Dataset, describe_images, load_data
from ._loop import (
    Cluster,
    Compute,
    Loop,
    Progress,
    choose_compute,
    join_cluster,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from ._model import CVAE
from ._run import (
    COLUMNS,
    SAMPLES,
    Callback,
    DataInfo,
    EpochRecord,
    Plan,
    RunFolder,
    RunResult,
    describe_environment,
    gif_epochs,
    history_of,
    history_table,
    kept_epoch,
    read_history,
    refuse_unfinished,
    sample_picture,
    stops_early,
    write_elbo_curve,
    write_gif,
    write_history,
)
from ._tensorflow import op_determinism

_log = logging.getLogger("cvae_train")


def train(
    config: TrainConfig | None = None,
    data: Dataset | None = None,
    run: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Train a model and leave config, history, checkpoint, pictures and weights in a run folder.

    Args:
        config: the recipe; the 2018 notebook's if not given.
        data: the images; the embedded MNIST if not given.
        run: the run folder; ``runs/0001`` or the next free number if not given.
        resume: go on with the run in that folder from its last whole epoch, if there is one. The result is that of
            undisturbed training: it computes with the towers, threads and precision that the run was begun with, on
            fewer cores, too. Where that cannot be, on other devices, a warning says so.
        overwrite: delete the run in that folder first; a folder that holds anything else is left as it is.
        quiet: show no progress.
        callbacks: are told of the run's progress.

    Raises:
        InputError: data and config do not fit each other, or the folder holds a run of other settings.
        TargetExistsError: the folder holds a run and neither resume nor overwrite was given.
        DivergedError: the loss became infinite or not a number.
        WorkerLostError: another worker of the cluster ended.
    """
    config = config or TrainConfig()
    data = data or load_data()
    if data.image_shape != config.model.image_shape:
        raise InputError(
            f"the model takes images of shape {config.model.image_shape}, the data has {data.image_shape}; "
            f"give ModelConfig the data's image_shape"
        )
    lines = describe_images(config, data)
    folder = RunFolder(Path(run) if run is not None else _next_free(Path("runs")))
    begun = folder.read_plan() if resume and folder.config.is_file() else None
    compute = choose_compute(config.precision, config.batch_size, begun)
    cluster = join_cluster()
    with cluster.watched(), op_determinism(config.deterministic), contextlib.ExitStack() as stack:
        info = DataInfo.of(data)
        cluster.check_agreement(f"{config} {info.fingerprint} {compute.precision}")
        # The workers' steps are cut by the number of towers, and must be cut alike.
        compute = dataclasses.replace(compute, towers=int(cluster.number_of_chief(compute.towers)))
        plan = Plan(**dataclasses.asdict(compute), replicas=cluster.replicas, workers=cluster.workers)
        prepared = folder.prepared(config, info, describe_environment(), plan, resume=resume, overwrite=overwrite)
        cluster.on_chief(lambda: stack.enter_context(prepared))
        if cluster.number_of_chief(cluster.chief and folder.finished):
            return _finished(folder, config, cluster)
        if cluster.chief and begun not in (None, plan):
            _log.warning(
                "%s was begun with %s and goes on with %s: expect other last digits than of an undisturbed run",
                folder.path,
                *begun.differences(plan),
            )
        with cluster.strategy.scope():  # for its variables alone: Keras's optimizers work on replicas from outside it
            loop = Loop(config, data, compute, cluster)
        history = _continue(folder, loop, cluster)
        listeners = callbacks if cluster.chief else ()
        for callback in listeners:
            callback.begin(folder, config, tuple(history))
        with Progress(config.epochs, loop.train_count, quiet=quiet or not cluster.chief) as progress:
            for line in (*lines, _describe(compute, cluster)):
                progress.say(line)
            _run_epochs(folder, loop, history, progress, listeners)
        if cluster.chief:
            _finish(folder, loop, history)
        cluster.share_variables(loop.model.variables)
        result = RunResult(folder.path, config, history, loop.model)
        for callback in listeners:
            callback.end(result)
        return result


def _describe(compute: Compute, cluster: Cluster) -> str:
    devices = f"{cluster.replicas} {compute.device}s of {cluster.workers} worker(s)"
    return (
        f"{compute.precision} layers on {compute.device if cluster.replicas == 1 else devices}, "
        f"batches in {compute.towers} tower(s)"
    )


def _finished(folder: RunFolder, config: TrainConfig, cluster: Cluster) -> RunResult:
    """The result of a run that was finished before."""
    result = load_run(folder.path) if cluster.chief else RunResult(folder.path, config, [], CVAE(config.model))
    cluster.share_variables(result.model.variables)
    return dataclasses.replace(result, history=_share_history(result.history, cluster))


def load_run(path: str | Path) -> RunResult:
    """Read a finished run.

    Raises:
        InputError: no finished run lies there.
    """
    folder = RunFolder(Path(path))
    config, _ = folder.read_config()
    refuse_unfinished(folder)
    model = CVAE(config.model)
    load_weights(folder.weights, model)
    return RunResult(folder.path, config, read_history(folder.history), model)


def _continue(folder: RunFolder, loop: Loop, cluster: Cluster) -> list[EpochRecord]:
    """Put the folder's checkpoint into the loop, or save the loop as the first one: the epochs that are done."""
    history: list[EpochRecord] = []
    if cluster.chief and folder.checkpoint.exists():
        history = load_checkpoint(folder.checkpoint, loop.model, loop.optimizer)
        _check_left(folder, loop, history)
    elif cluster.chief:
        _save_epoch(folder, loop, history)
    cluster.share_variables([*loop.model.variables, *loop.optimizer.variables])
    return _share_history(history, cluster)


def _check_left(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    """Raise `InputError` unless what the end of the run needs of the epochs that are done is whole: now, not at the end."""
    try:
        for epoch in gif_epochs(len(history)):
            read_picture(folder.sample(epoch), str(folder.sample(epoch)))
        if loop.config.patience and history:
            read_npz(folder.best, [variable.path for variable in loop.model.variables])
    except InputError as error:
        raise InputError(f"{error}; restore the file, or begin anew with --overwrite") from error


def _share_history(history: Sequence[EpochRecord], cluster: Cluster) -> list[EpochRecord]:
    """The chief's history."""
    table = np.zeros((int(cluster.number_of_chief(len(history))), COLUMNS))
    table[: len(history)] = history_table(history)
    return history_of(*cluster.of_chief([table]))


def _run_epochs(
    folder: RunFolder, loop: Loop, history: list[EpochRecord], progress: Progress, listeners: Sequence[Callback]
) -> None:
    """Train until the last epoch or early stopping, and leave every epoch's record in ``history``."""
    config = loop.config
    while len(history) < config.epochs and not stops_early(history, config.patience):
        epoch = len(history) + 1
        progress.begin(epoch)
        history.append(_run_epoch(loop, epoch, progress))
        if loop.cluster.chief:
            samples = _save_epoch(folder, loop, history)
        progress.end(history[-1], config.model.bits_per_dimension(history[-1].elbo))
        for callback in listeners:
            callback.epoch(history[-1], samples)
    if len(history) < config.epochs:
        progress.say(f"no better validation ELBO for {config.patience} epochs: stopped")


def _run_epoch(loop: Loop, epoch: int, progress: Progress) -> EpochRecord:
    start = time.perf_counter()
    train_elbo = loop.train_epoch(epoch, progress.images)
    seconds = time.perf_counter() - start
    with loop.averaged():
        reconstruction, kl = loop.test_elbo(epoch)
        validation_elbo = loop.validation_elbo(epoch)
    rate = loop.train_count / seconds
    return EpochRecord(epoch, reconstruction - kl, reconstruction, kl, train_elbo, seconds, rate, validation_elbo)


def _save_epoch(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> NDArray[np.float32]:
    """Save the last epoch of the history; its samples."""
    # The checkpoint is the truth that a resumed run starts from, so what belongs to the epoch is written before it
    # and what only repeats it after; both come out the same when they are written again.
    config, epoch = loop.config, len(history)
    latents = prior_latents(config.seed, 0, SAMPLES, config.model.latent_dim)
    with loop.averaged():
        samples = loop.decode(latents)
        write_file(folder.sample(epoch), sample_picture(samples))
        if config.patience and kept_epoch(history, config.patience) == epoch:
            save_weights(folder.best, loop.model)
    save_checkpoint(folder.checkpoint, loop.model, loop.optimizer, history)
    write_history(folder.history, history)
    return samples


def _finish(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    write_history(folder.history, history)
    write_elbo_curve(folder.elbo_curve, history)
    write_gif(folder.gif, [folder.sample(epoch) for epoch in gif_epochs(len(history))])
    if loop.config.patience:
        move_file(folder.best, folder.weights)
    else:
        with loop.averaged():
            save_weights(folder.weights, loop.model)
    load_weights(folder.weights, loop.model)


def _next_free(folder: Path) -> Path:
    number = 1
    while (path := folder / f"{number:04d}").exists():
        number += 1
    return path

"""Train a model, resume a run, and load a finished one."""

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
from cvae_runtime.images import read_image, read_npz

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
    check_finished,
    describe_environment,
    gif_epochs,
    history_of,
    history_table,
    kept_epoch,
    read_history,
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
    """Train a model and write config, history, checkpoint, sample images and weights to a run folder.

    Args:
        config: the recipe; default: the 2018 notebook's.
        data: the images; default: the embedded MNIST.
        run: the run folder; default: ``runs/0001`` or the next free number.
        resume: continue the run in that folder from its last complete epoch, if there is one. The result equals that of
            an uninterrupted run: towers, threads and precision stay the same, even on fewer cores. On a different kind
            of device this is impossible, and a warning is logged.
        overwrite: delete the run in that folder first. A folder that is not a run is not deleted.
        quiet: show no progress.
        callbacks: called at the start and end of the run and after each epoch.

    Raises:
        InputError: data and config do not match, or the folder holds a run with other settings.
        TargetExistsError: the folder holds a run, and neither resume nor overwrite is set.
        DivergedError: the loss became infinite or NaN.
        WorkerLostError: another worker of the cluster ended.
    """
    config = config or TrainConfig()
    data = data or load_data()
    if data.image_shape != config.model.image_shape:
        raise InputError(
            f"data: expected images of the model's shape {config.model.image_shape}, found {data.image_shape}; "
            f"set ModelConfig.image_shape to the shape of the data"
        )
    lines = describe_images(config, data)
    folder = RunFolder(Path(run) if run is not None else _next_free(Path("runs")))
    begun = folder.read_plan() if resume and folder.config.is_file() else None
    compute = choose_compute(config.precision, config.batch_size, begun)
    cluster = join_cluster()
    with cluster.detect_lost_workers(), op_determinism(config.deterministic), contextlib.ExitStack() as stack:
        info = DataInfo.of(data)
        cluster.check_agreement(f"{config} {info.fingerprint} {compute.precision}")
        # All workers must divide an epoch into the same chunks, which depend on the number of towers.
        compute = dataclasses.replace(compute, towers=int(cluster.broadcast_number(compute.towers)))
        plan = Plan(**dataclasses.asdict(compute), replicas=cluster.replicas, workers=cluster.workers)
        prepared = folder.prepared(config, info, describe_environment(), plan, resume=resume, overwrite=overwrite)
        cluster.run_on_chief(lambda: stack.enter_context(prepared))
        if cluster.broadcast_number(cluster.chief and folder.finished):
            return _finished(folder, config, cluster)
        if cluster.chief and begun not in (None, plan):
            _log.warning(
                "%s was started with %s and continues with %s: its results will differ in rounding from those of an "
                "uninterrupted run",
                folder.path,
                *begun.differences(plan),
            )
        # Only variables need the scope; Keras's optimizers must be called outside of it.
        with cluster.strategy.scope():
            loop = Loop(config, data, compute, cluster)
        history = _continue(folder, loop, cluster)
        listeners = callbacks if cluster.chief else ()
        for callback in listeners:
            callback.on_train_begin(folder, config, tuple(history))
        with Progress(config.epochs, loop.train_count, quiet=quiet or not cluster.chief) as progress:
            for line in (*lines, _describe(compute, cluster)):
                progress.print(line)
            _run_epochs(folder, loop, history, progress, listeners)
        if cluster.chief:
            _finish(folder, loop, history)
        cluster.broadcast_variables(loop.model.variables)
        result = RunResult(folder.path, config, history, loop.model)
        for callback in listeners:
            callback.on_train_end(result)
        return result


def _describe(compute: Compute, cluster: Cluster) -> str:
    devices = f"{cluster.replicas} {compute.device}s of {cluster.workers} worker(s)"
    return (
        f"{compute.precision} layers on {compute.device if cluster.replicas == 1 else devices}, "
        f"batches in {compute.towers} tower(s)"
    )


def _finished(folder: RunFolder, config: TrainConfig, cluster: Cluster) -> RunResult:
    """Load a run that is already finished, on every worker."""
    result = load_run(folder.path) if cluster.chief else RunResult(folder.path, config, [], CVAE(config.model))
    cluster.broadcast_variables(result.model.variables)
    return dataclasses.replace(result, history=_share_history(result.history, cluster))


def load_run(path: str | Path) -> RunResult:
    """Read a finished run.

    Raises:
        InputError: the folder does not hold a finished run.
    """
    folder = RunFolder(Path(path))
    config, _ = folder.read_config()
    check_finished(folder)
    model = CVAE(config.model)
    load_weights(folder.weights, model)
    return RunResult(folder.path, config, read_history(folder.history), model)


def _continue(folder: RunFolder, loop: Loop, cluster: Cluster) -> list[EpochRecord]:
    """Load the folder's checkpoint into the loop, or save the first checkpoint; return the history so far."""
    history: list[EpochRecord] = []
    if cluster.chief and folder.checkpoint.exists():
        history = load_checkpoint(folder.checkpoint, loop.model, loop.optimizer)
        _check_resumable(folder, loop, history)
    elif cluster.chief:
        _save_epoch(folder, loop, history)
    cluster.broadcast_variables([*loop.model.variables, *loop.optimizer.variables])
    return _share_history(history, cluster)


def _check_resumable(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    """Raise `InputError` if a file that the end of the run will need is missing or damaged."""
    try:
        for epoch in gif_epochs(len(history)):
            read_image(folder.sample(epoch), str(folder.sample(epoch)))
        if loop.config.patience and history:
            read_npz(folder.best, [variable.path for variable in loop.model.variables])
    except InputError as error:
        raise InputError(f"{error}; restore the file, or start again with --overwrite") from error


def _share_history(history: Sequence[EpochRecord], cluster: Cluster) -> list[EpochRecord]:
    """Send the chief's history to every worker."""
    table = np.zeros((int(cluster.broadcast_number(len(history))), COLUMNS))
    table[: len(history)] = history_table(history)
    return history_of(*cluster.broadcast([table]))


def _run_epochs(
    folder: RunFolder, loop: Loop, history: list[EpochRecord], progress: Progress, listeners: Sequence[Callback]
) -> None:
    """Train until the last epoch or until early stopping; append a record per epoch to ``history``."""
    config = loop.config
    while len(history) < config.epochs and not stops_early(history, config.patience):
        epoch = len(history) + 1
        progress.begin_epoch(epoch)
        history.append(_run_epoch(loop, epoch, progress))
        if loop.cluster.chief:
            samples = _save_epoch(folder, loop, history)
        progress.end_epoch(history[-1], config.model.bits_per_dimension(history[-1].elbo))
        for callback in listeners:
            callback.on_epoch_end(history[-1], samples)
    if len(history) < config.epochs:
        progress.print(f"stopped early: no better validation ELBO for {config.patience} epochs")


def _run_epoch(loop: Loop, epoch: int, progress: Progress) -> EpochRecord:
    start = time.perf_counter()
    train_elbo = loop.train_epoch(epoch, progress.update)
    seconds = time.perf_counter() - start
    with loop.averaged():
        reconstruction, kl = loop.test_elbo(epoch)
        validation_elbo = loop.validation_elbo(epoch)
    rate = loop.train_count / seconds
    return EpochRecord(epoch, reconstruction - kl, reconstruction, kl, train_elbo, seconds, rate, validation_elbo)


def _save_epoch(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> NDArray[np.float32]:
    """Save the last epoch of the history; return its samples."""
    # A resumed run starts from the checkpoint. The other files of the epoch are therefore written before it, and
    # history.csv, which only repeats it, after it. Writing any of them again gives the same bytes.
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

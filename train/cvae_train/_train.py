"""Train a model, and resume or continue a run."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError, cli, prior_latents
from cvae_runtime.files import write_file
from cvae_runtime.images import read_image, read_npz

from ._config import TrainConfig
from ._data import AS_THEY_ARE, Dataset, ImageSource, describe_images
from ._load import Source, load_run, read_source
from ._loop import (
    Cluster,
    Compute,
    Loop,
    Progress,
    choose_compute,
    join_cluster,
    load_checkpoint,
    load_weights,
    read_checkpoint_history,
    save_checkpoint,
    save_weights,
    take_weights,
)
from ._model import CVAE
from ._prepare import Request, prepare
from ._recipe import TrainingPlan
from ._run import (
    COLUMNS,
    SAMPLES,
    Callback,
    Course,
    DataInfo,
    EpochRecord,
    Part,
    Plan,
    RunFolder,
    RunResult,
    Start,
    describe_environment,
    gif_epochs,
    history_of,
    history_table,
    resume_advice,
    resume_command,
    sample_picture,
    write_elbo_curve,
    write_gif,
    write_history,
)
from ._speed import Forecast, fit_to_time
from ._tensorflow import op_determinism

_PARTS: tuple[Part | None, ...] = (None, *get_args(Part))

_log = logging.getLogger("cvae_train")


def train(
    data: ImageSource | Dataset | None = None,
    config: TrainConfig | TrainingPlan | None = None,
    run: str | Path | None = None,
    *,
    minutes: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    start_from: str | Path | None = None,
    freeze: Part | None = None,
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Train a model and write config, history, checkpoint, sample images and weights to a run folder.

    Args:
        data: the images: a path, arrays, or a `Dataset`, see `load_data`; default: the embedded MNIST.
        config: the recipe, or a plan of `plan_training`. Default: derived from ``data``; without ``data`` and
            ``minutes``, the 2018 notebook's.
        run: the run folder; default: ``runs/0001`` or the next free number.
        minutes: choose the number of epochs, and the parts of the recipe that depend on it, so that the run takes this
            time. A finished run is continued if ``minutes`` is larger than before.
        resume: continue the run in that folder from its last complete epoch, if there is one. The result equals that of
            an uninterrupted run: towers, threads and precision stay the same, even on fewer cores. On a different kind
            of device this is impossible, and a warning is logged. A finished run is continued if ``config`` has more
            epochs: with its optimizer, and with a learning-rate schedule for the added epochs alone.
        overwrite: delete the run in that folder first. A folder that is not a run is not deleted.
        quiet: show no progress.
        start_from: folder of a run whose weights this run starts from, where names and shapes of the layers agree. To
            resume, it may be left out.
        freeze: the part of the model that keeps the weights of ``start_from``, "encoder" or "decoder".
        callbacks: called at the start and end of the run and after each epoch.

    Raises:
        InputError: the images cannot be read, data and config do not match, or the folder holds a run with other
            settings; or no layer of ``start_from`` fits, or one of the frozen part does not.
        TargetExistsError: the folder holds a run, and neither resume nor overwrite is set.
        DivergedError: the loss became infinite or NaN.
        WorkerLostError: another worker of the cluster ended.

    Examples:
        >>> recipe = cvae_train.read_config(Path("runs/0001/config.json"))
        >>> result = cvae_train.train("images.npz", recipe, "runs/0002", quiet=True)
        >>> len(result.history), result.path.name
        (2, '0002')
    """
    planned = config if isinstance(config, TrainingPlan) else None
    if planned is not None and minutes not in (None, planned.minutes):
        raise InputError(f"minutes: expected those of the plan, found {minutes:g}; pass them to plan_training")
    request = Request(
        data,
        config.config if isinstance(config, TrainingPlan) else config,
        AS_THEY_ARE if planned is None else planned.options,
        minutes=minutes if planned is None else planned.minutes,
        run=None if run is None else Path(run),
        resume=resume,
        start_from=None if start_from is None else Path(start_from),
        exact=True,
        quiet=quiet,
    )
    images, plan = prepare(request)
    if planned is not None and plan.speed is None:  # no run to resume
        plan = planned
    return train_planned(
        images,
        plan,
        request,
        overwrite=overwrite,
        freeze=freeze,
        callbacks=callbacks,
    )


def train_planned(
    data: Dataset,
    plan: TrainingPlan,
    request: Request,
    *,
    overwrite: bool = False,
    freeze: Part | None = None,
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Train the plan that `prepare` made for a request; see `train`."""
    folder = RunFolder(_next_free(Path("runs")) if request.run is None else request.run)
    config = plan.config
    if data.image_shape != config.model.image_shape:
        raise InputError(
            f"data: expected images of the model's shape {config.model.image_shape}, found {data.image_shape}; "
            f"set ModelConfig.image_shape to the shape of the data"
        )
    lines = describe_images(config, data)
    resumed = request.resume and folder.config.is_file()
    begun = folder.read_plan() if resumed else None
    if freeze is not None and request.start_from is None and not resumed:
        raise InputError(
            f"freeze: expected start_from, whose weights are frozen, found freeze {freeze!r} alone; set it"
        )
    compute = choose_compute(config, begun)
    cluster = join_cluster()
    with cluster.detect_lost_workers(), op_determinism(config.deterministic), contextlib.ExitStack() as stack:
        info = DataInfo.of(data)
        # All workers must divide an epoch into the same chunks, which depend on the number of towers.
        compute = dataclasses.replace(compute, towers=int(cluster.broadcast_number(compute.towers)))
        if plan.minutes is not None and cluster.workers > 1:
            raise InputError(f"minutes: expected one worker, found {cluster.workers}; set the number of epochs instead")
        if plan.minutes is not None and plan.speed is None:
            # An error now is better than after the speed is measured.
            cluster.run_on_chief(lambda: folder.check_target(resume=request.resume, overwrite=overwrite))
            plan = fit_to_time(plan, data, compute, cluster)
            config = plan.config
        labels = info.labels_fingerprint if config.model.labels else None
        cluster.check_agreement(f"{config} {info.fingerprint} {labels} {compute.precision} {freeze}")
        hardware = Plan(**dataclasses.asdict(compute), replicas=cluster.replicas, workers=cluster.workers)
        start, source = _read_start(folder, config, request.start_from, freeze, resumed=resumed)
        prepared = folder.prepared(
            config,
            info,
            describe_environment(),
            hardware,
            resume=request.resume,
            overwrite=overwrite,
            start=start,
            freeze=freeze,
            recipe=plan.record() if plan.decisions or plan.minutes is not None else None,
        )
        cluster.run_on_chief(lambda: stack.enter_context(prepared))
        if cluster.chief:
            stack.enter_context(_advice_after_interrupt(folder))
        if cluster.broadcast_number(cluster.chief and folder.finished):
            return _finished(folder, config, cluster)
        if cluster.chief and begun not in (None, hardware):
            _log.warning(
                "%s was started with %s and continues with %s: its results will differ in rounding from those of an "
                "uninterrupted run",
                folder.path,
                *begun.differences(hardware),
            )
        # Only variables need the scope; Keras's optimizers must be called outside of it.
        course = _share_course(folder.read_course() if cluster.chief else Course(), cluster)
        with cluster.strategy.scope():
            loop = Loop(config, data, compute, cluster, freeze=course.freeze, begun_after=course.begun_after)
        if source is not None:
            take_weights(loop.model, source.arrays)
        history = _continue(folder, loop, cluster)
        listeners = callbacks if cluster.chief else ()
        for callback in listeners:
            callback.on_train_begin(folder, config, tuple(history))
        with Progress(
            config,
            loop.train_count,
            done=len(history),
            validation=loop.has_validation,
            quiet=request.quiet or not cluster.chief,
        ) as progress:
            for line in (*lines, *(() if resumed else plan.lines()), _describe(compute, cluster)):
                progress.print(line)
            if source is not None:
                progress.print(source.describe())
            if history and len(history) == course.begun_after:
                progress.print(f"continues after epoch {len(history)}, until epoch {config.epochs}")
            forecast = Forecast(plan, progress.print) if plan.derived and not resumed and plan.speed is None else None
            _run_epochs(folder, loop, course, history, progress, listeners, forecast)
        if cluster.chief:
            _finish(folder, loop, history)
        cluster.broadcast_variables(loop.model.variables)
        result = RunResult(folder.path, config, history, loop.model, course.kept_epoch(history))
        for callback in listeners:
            callback.on_train_end(result)
        return result


@contextlib.contextmanager
def _advice_after_interrupt(folder: RunFolder) -> Iterator[None]:
    """Add to a `KeyboardInterrupt` how many epochs are complete, and how to resume the run."""
    try:
        yield
    except KeyboardInterrupt as error:
        if folder.checkpoint.is_file() and not folder.finished:
            complete, epochs = len(read_checkpoint_history(folder.checkpoint)), folder.read_config()[0].epochs
            error.add_note(f"{folder.path}: {complete} of {epochs} epochs are complete")
            command = resume_command(folder)
            error.add_note(resume_advice(folder) if command is None else cli.next_lines([command]))
        raise


def _describe(compute: Compute, cluster: Cluster) -> str:
    devices = f"{cluster.replicas} {compute.device}s of {cluster.workers} worker(s)"
    return (
        f"{compute.precision} layers on {compute.device if cluster.replicas == 1 else devices}, "
        f"batches in {compute.towers} tower(s)"
    )


def _finished(folder: RunFolder, config: TrainConfig, cluster: Cluster) -> RunResult:
    """Load a run that is already finished, on every worker."""
    result = load_run(folder.path) if cluster.chief else RunResult(folder.path, config, [], CVAE(config.model), 0)
    cluster.broadcast_variables(result.model.variables)
    epoch = int(cluster.broadcast_number(result.epoch))
    return dataclasses.replace(result, history=_share_history(result.history, cluster), epoch=epoch)


def _read_start(
    folder: RunFolder, config: TrainConfig, start_from: Path | None, freeze: Part | None, *, resumed: bool
) -> tuple[Start | None, Source | None]:
    """Return the record of the weights that the run starts from, and the weights if they are still needed.

    Raises:
        InputError: the arguments differ from the record of the run to resume, or as `read_source`.
    """
    if not resumed:
        source = None if start_from is None else read_source(start_from, config, freeze)
        return (None if source is None else source.start), source
    course = folder.read_course()
    recorded = course.start
    found = (None if start_from is None else Path(start_from).resolve().name, freeze)
    expected = (None if recorded is None else recorded.run, course.freeze)
    if found not in ((None, None), expected):
        raise InputError(
            f"{folder.path}: expected --from {expected[0]} --freeze {expected[1]}, as the run was started with, found "
            f"--from {found[0]} --freeze {found[1]}; leave both out, or choose another folder"
        )
    if recorded is None or folder.checkpoint.exists():
        return recorded, None
    source = None if start_from is None else read_source(start_from, config, freeze)
    if source is None or source.start != recorded:
        raise InputError(
            f"{folder.path}: expected --from with the weights of {recorded.run} that have the SHA-256 "
            f"{recorded.weights_sha256}, since the run was stopped before it saved them; start again with --overwrite"
        )
    return recorded, source


def _share_course(course: Course, cluster: Cluster) -> Course:
    """Send what the epochs depend on from the chief's course to every worker."""
    numbers = (course.keeps_best, course.begun_after, _PARTS.index(course.freeze))
    keeps_best, begun_after, part = (int(cluster.broadcast_number(number)) for number in numbers)
    return Course(bool(keeps_best), (begun_after,) if begun_after else (), freeze=_PARTS[part])


def _continue(folder: RunFolder, loop: Loop, cluster: Cluster) -> list[EpochRecord]:
    """Load the folder's checkpoint into the loop, or save the first checkpoint; return the history so far."""
    history: list[EpochRecord] = []
    if cluster.chief and folder.checkpoint.exists():
        history = load_checkpoint(folder.checkpoint, loop.model, loop.optimizer)
        _check_resumable(folder, loop, history)
        _save_best(folder, loop, history)  # a run may end between its checkpoint and this
    elif cluster.chief:
        _save_epoch(folder, loop, history)
    cluster.broadcast_variables([*loop.model.variables, *loop.optimizer.variables])
    return _share_history(history, cluster)


def _check_resumable(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    """Raise `InputError` if a file that the end of the run will need is missing or damaged."""
    try:
        for epoch in gif_epochs(len(history)):
            read_image(folder.sample(epoch), str(folder.sample(epoch)))
        if folder.read_course().kept_epoch(history) < len(history):
            read_npz(folder.best, [variable.path for variable in loop.model.variables])
    except InputError as error:
        raise InputError(f"{error}; restore the file, or start again with --overwrite") from error


def _share_history(history: Sequence[EpochRecord], cluster: Cluster) -> list[EpochRecord]:
    """Send the chief's history to every worker."""
    table = np.zeros((int(cluster.broadcast_number(len(history))), COLUMNS))
    table[: len(history)] = history_table(history)
    return history_of(*cluster.broadcast([table]))


def _run_epochs(
    folder: RunFolder,
    loop: Loop,
    course: Course,
    history: list[EpochRecord],
    progress: Progress,
    listeners: Sequence[Callback],
    forecast: Forecast | None,
) -> None:
    """Train until the last epoch or until early stopping; append a record per epoch to ``history``."""
    config = loop.config
    while len(history) < config.epochs and not course.stops_early(history, config.patience):
        epoch = len(history) + 1
        progress.begin_epoch(epoch)
        history.append(_run_epoch(loop, epoch, progress, forecast))
        if loop.cluster.chief:
            samples = _save_epoch(folder, loop, history)
        progress.end_epoch(history[-1])
        for callback in listeners:
            callback.on_epoch_end(history[-1], samples)
    if len(history) < config.epochs:
        progress.print(f"stopped early: no better validation ELBO for {config.patience} epochs")


def _run_epoch(loop: Loop, epoch: int, progress: Progress, forecast: Forecast | None) -> EpochRecord:
    def on_images(done: int, elbo: float) -> None:
        progress.update(done, elbo)
        if forecast is not None:
            forecast.update(epoch, done)

    start = time.perf_counter()
    train_elbo = loop.train_epoch(epoch, on_images)
    seconds = time.perf_counter() - start
    with loop.averaged():
        reconstruction, kl = loop.test_elbo(epoch)
        validation_elbo = loop.validation_elbo(epoch)
    rate = loop.train_count / seconds
    return EpochRecord(epoch, reconstruction - kl, reconstruction, kl, train_elbo, seconds, rate, validation_elbo)


def _save_epoch(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> NDArray[np.float32]:
    """Save the last epoch of the history; return its samples."""
    # A resumed run starts from the checkpoint. The picture of the epoch is therefore written before it, and the files
    # that repeat a part of it, after it. Writing any of them again gives the same bytes.
    config, epoch = loop.config, len(history)
    noise = prior_latents(config.seed, 0, SAMPLES, config.model.latent_dim)
    with loop.averaged():
        samples = loop.sample(noise)
        write_file(folder.sample(epoch), sample_picture(samples))
    save_checkpoint(folder.checkpoint, loop.model, loop.optimizer, history)
    _save_best(folder, loop, history)
    write_history(folder.history, history)
    return samples


def _save_best(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    """Save the weights of the last epoch if the run keeps its best epoch and this is the one."""
    course = folder.read_course()
    if course.has_best(history) and course.kept_epoch(history) == len(history):
        with loop.averaged():
            save_weights(folder.best, loop.model)


def _finish(folder: RunFolder, loop: Loop, history: Sequence[EpochRecord]) -> None:
    kept = folder.read_course().kept_epoch(history)
    write_history(folder.history, history)
    write_elbo_curve(folder.elbo_curve, history, kept, given_label=bool(loop.model.config.labels))
    write_gif(folder.gif, [folder.sample(epoch) for epoch in gif_epochs(len(history))])
    if kept < len(history):
        load_weights(folder.best, loop.model)
        save_weights(folder.weights, loop.model, len(history))
    else:
        with loop.averaged():
            save_weights(folder.weights, loop.model, len(history))
    load_weights(folder.weights, loop.model)


def _next_free(folder: Path) -> Path:
    number = 1
    while (path := folder / f"{number:04d}").exists():
        number += 1
    return path

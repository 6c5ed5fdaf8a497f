"""Measure how fast a recipe trains on this machine, and fit its plan to a time."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from cvae_runtime import prior_latents

from ._config import TrainConfig
from ._data import Dataset
from ._loop import Cluster, Compute, Loop, save_checkpoint
from ._recipe import Speed, TrainingPlan, describe_time, fit_to_minutes, too_slow, with_smaller_network
from ._run import SAMPLES, sample_picture

Result = TypeVar("Result")

_STEP_SECONDS = 2.0  # of training steps to measure
_SHARE = 0.02  # at most, of the run's minutes
_EVALUATED = 1_000  # images to measure the evaluation on


def fit_to_time(plan: TrainingPlan, data: Dataset, compute: Compute, cluster: Cluster) -> TrainingPlan:
    """Measure the plan's speed, use a smaller network if that is too slow, and choose the number of epochs."""
    speed = measure(plan, data, compute, cluster)
    if too_slow(plan, speed):
        plan = with_smaller_network(plan, speed)
        speed = measure(plan, data, compute, cluster)
    return fit_to_minutes(plan, speed)


def measure(plan: TrainingPlan, data: Dataset, compute: Compute, cluster: Cluster) -> Speed:
    """Measure the speed of a plan's recipe by some steps, an evaluation, a picture and a checkpoint.

    Nothing of the run is written, and the results of the run do not depend on it. In a cluster, all workers return the
    chief's figures.
    """
    labels = data.labels
    if labels is not None:
        labels = dataclasses.replace(labels, test=labels.test[:_EVALUATED], validation=None)
    few = Dataset(data.train, data.test[:_EVALUATED], data.source, labels=labels)
    config = dataclasses.replace(plan.config, validation_fraction=0.0, patience=0)
    with cluster.strategy.scope():
        loop, building = _timed(lambda: Loop(config, few, compute, cluster))
    seconds = _STEP_SECONDS if plan.minutes is None else min(_STEP_SECONDS, _SHARE * 60 * plan.minutes)
    compiling, step = loop.time_steps(seconds)
    _, first = _timed(lambda: loop.test_elbo(1))
    _, evaluation = _timed(lambda: loop.test_elbo(1))
    sets = 1 + bool(plan.images["validation"])
    evaluated = plan.images["test"] + plan.images["validation"]
    _, first_save = _timed(lambda: _save(loop, config))
    _, save = _timed(lambda: _save(loop, config))
    per_epoch = evaluation * max(sets, evaluated / len(few.test)) + save
    to_come = building + compiling + sets * first + first_save
    figures = np.array([step, per_epoch, time.perf_counter() - plan.began + to_come])
    return Speed(*cluster.broadcast([figures])[0].tolist())


class Forecast:
    """Says once how long a run takes, from its first steps.

    Args:
        plan: plan of the run.
        say: called with a line.
    """

    def __init__(self, plan: TrainingPlan, say: Callable[[str], None]) -> None:
        self._plan, self._say = plan, say
        self._first: tuple[int, float] | None = None
        self._said = False

    def update(self, epoch: int, done: int) -> None:
        """Take note of the images done in an epoch; the first call follows the steps that compile."""
        images, now = self._plan.images, time.perf_counter()
        done += (epoch - 1) * images["training"]
        if self._first is None:
            self._first = done, now
        first, then = self._first
        if self._said or now - then < _STEP_SECONDS or done == first:
            return
        self._said = True
        evaluated = images["validation"] + images["test"]  # without gradients, in a third of the time
        left = self._plan.config.epochs * (images["training"] + evaluated / 3) - done
        self._say(f"the run {describe_time(now - self._plan.began + left * (now - then) / (done - first))}")


def _save(loop: Loop, config: TrainConfig) -> None:
    sample_picture(loop.sample(prior_latents(config.seed, 0, SAMPLES, config.model.latent_dim)))
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "checkpoint.npz", loop.model, loop.optimizer, [])


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start

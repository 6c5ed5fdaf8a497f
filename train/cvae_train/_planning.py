"""`plan_training`: the recipe that `train` would use, without training."""

import dataclasses
from typing import Any

from ._config import TrainConfig
from ._data import AS_THEY_ARE, DataOptions, Dataset, ImageSource, describe_images
from ._loop import choose_compute, join_cluster
from ._prepare import Request, prepare
from ._recipe import TrainingPlan
from ._speed import fit_to_time, measure
from ._tensorflow import op_determinism


def plan_training(
    data: ImageSource | Dataset | None = None,
    config: TrainConfig | None = None,
    *,
    minutes: float | None = None,
    labels: bool = False,
    options: DataOptions = AS_THEY_ARE,
    quiet: bool = False,
    **settings: Any,
) -> TrainingPlan:
    """Plan a run as the command ``cvae-train`` does, and measure how long it takes, without training or writing files.

    Pass the plan to `train` in place of a recipe.

    Args:
        data: as for `train`.
        config: the recipe, which is adapted to the shape of the images. Default: derived from ``data``; without
            ``data`` and ``minutes``, the 2018 notebook's.
        minutes: see `train`.
        labels: condition the model on the classes of the images.
        options: how to read the images; what it leaves open is derived.
        quiet: show no progress.
        settings: fields of `TrainConfig` and `ModelConfig` that replace the derived ones, such as ``latent_dim=10``.

    Raises:
        InputError: the images cannot be read, or settings contradict each other.

    Examples:
        >>> plan = cvae_train.plan_training("images.npz", latent_dim=5, quiet=True)
        >>> plan.config.model.latent_dim, plan.seconds > 0
        (5, True)
    """
    request = Request(data, config, options, settings, minutes, labels=labels, quiet=quiet)
    return measured(*prepare(request))


def measured(data: Dataset, plan: TrainingPlan) -> TrainingPlan:
    """Measure the speed of a plan on this machine, and fit the plan to its minutes if it has any."""
    if plan.speed is not None:
        return plan
    describe_images(plan.config, data)  # raises if nothing can be learned from them
    compute = choose_compute(plan.config)
    cluster = join_cluster()
    with op_determinism(plan.config.deterministic):
        if plan.minutes is not None:
            return fit_to_time(plan, data, compute, cluster)
        return dataclasses.replace(plan, speed=measure(plan, data, compute, cluster))

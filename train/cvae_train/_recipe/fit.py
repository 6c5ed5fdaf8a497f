"""Fit a plan to a time, and scale recipes that do not work on the images."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from .._config import TrainConfig
from . import table
from .derive import STOPS_EARLY, patience, warmup_steps
from .plan import Decision, Speed, TrainingPlan, describe_time


def with_working_warmup(plan: TrainingPlan) -> TrainingPlan:
    """Shorten a warm-up that leaves no step at the full learning rate, unless the caller set it."""
    config = plan.config
    steps = config.epochs * plan.steps_per_epoch
    if config.warmup_steps < steps or not config.warmup_steps or "warmup_steps" in plan.given:
        return plan
    warmup = warmup_steps(steps)
    reason = f"instead of {config.warmup_steps:,}: the run has {steps:,} steps"
    plan = dataclasses.replace(plan, config=dataclasses.replace(config, warmup_steps=warmup))
    return plan.with_decision(Decision("--warmup-steps", str(warmup), reason))


def with_epochs(plan: TrainingPlan, epochs: int, reason: str) -> TrainingPlan:
    """Change the number of epochs, and with it what the caller did not set: both warm-ups and the patience."""
    config = plan.config
    steps = epochs * plan.steps_per_epoch
    ratio = epochs / config.epochs
    changes: dict[str, Any] = {"epochs": epochs}
    if "warmup_steps" not in plan.given:
        scaled = int(config.warmup_steps * ratio)
        changes["warmup_steps"] = warmup_steps(steps) if plan.derived else min(scaled, steps - 1)
    if "kl_warmup_epochs" not in plan.given:
        changes["kl_warmup_epochs"] = min(config.kl_warmup_epochs, math.ceil(config.kl_warmup_epochs * ratio))
    if config.patience and "patience" not in plan.given:
        changes["patience"] = patience(epochs)
    plan = dataclasses.replace(plan, config=dataclasses.replace(config, **changes))
    plan = plan.with_decision(Decision("--epochs", str(epochs), reason))
    new = plan.config
    if new.warmup_steps != config.warmup_steps:
        share = table.WARMUP_SHARE if plan.derived else round(new.warmup_steps / steps, 3)
        plan = plan.with_decision(
            Decision("--warmup-steps", str(new.warmup_steps), f"{100 * share:g}% of {steps:,} steps")
        )
    if new.patience != config.patience:
        plan = plan.with_decision(Decision("--patience", str(new.patience), STOPS_EARLY))
    return plan


def fit_to_minutes(plan: TrainingPlan, speed: Speed) -> TrainingPlan:
    """Choose the number of epochs so that the run ends after the plan's minutes, given its speed."""
    assert plan.minutes is not None
    epoch = speed.whole_epoch(plan.steps_per_epoch)
    epochs = int((60 * plan.minutes - speed.start_seconds - table.FINISH_SECONDS) / epoch)
    reason = f"{max(1, epochs) * plan.steps_per_epoch:,} steps fit into {plan.minutes:g} min"
    if epochs < 1:
        needed = describe_time(speed.run_seconds(1, plan.steps_per_epoch)).removeprefix("takes ")
        reason = f"the least; takes {needed}, not {plan.minutes:g} min"
    elif epochs > table.MOST_TIMED_EPOCHS:
        epochs, reason = table.MOST_TIMED_EPOCHS, f"the most; ends before {plan.minutes:g} min"
    return with_epochs(dataclasses.replace(plan, speed=speed), max(1, epochs), reason)


def more_epochs(plan: TrainingPlan, minutes: float) -> TrainingPlan:
    """Add the epochs that fit into the minutes beyond those of a finished run, at the speed of its plan."""
    assert plan.minutes is not None
    assert plan.speed is not None
    seconds = 60 * (minutes - plan.minutes) - plan.speed.start_seconds - table.FINISH_SECONDS
    added = max(1, int(seconds / plan.speed.whole_epoch(plan.steps_per_epoch)))
    epochs = plan.config.epochs + added
    reason = f"{added:,} more in {minutes - plan.minutes:g} min, at the measured speed"
    plan = dataclasses.replace(plan, config=dataclasses.replace(plan.config, epochs=epochs), minutes=minutes)
    return plan.with_decision(Decision("--epochs", str(epochs), reason))


def too_slow(plan: TrainingPlan, speed: Speed) -> bool:
    """Whether too few steps fit into the minutes, or not even one epoch, and a smaller network can be used."""
    assert plan.minutes is not None
    if not plan.derived or _can_not_shrink(plan.config, plan.given):
        return False
    seconds = 60 * plan.minutes - speed.start_seconds - table.FINISH_SECONDS
    epochs = seconds / speed.whole_epoch(plan.steps_per_epoch)
    # Few images need few steps: at most as many as the recipe has.
    wanted = min(table.LEAST_STEPS, plan.config.epochs * plan.steps_per_epoch)
    return epochs < 1 or int(epochs) * plan.steps_per_epoch < wanted


def with_smaller_network(plan: TrainingPlan, speed: Speed) -> TrainingPlan:
    """Halve the filters of a plan's network, once or more often, as its speed demands."""
    filters = plan.config.model.filters
    while filters == plan.config.model.filters or (filters[0] // 2 >= table.FEWEST_FILTERS and too_slow(plan, speed)):
        filters = tuple(count // 2 for count in filters)
        speed = dataclasses.replace(speed, step_seconds=speed.step_seconds / table.FASTER)
    model = dataclasses.replace(plan.config.model, filters=filters)
    plan = dataclasses.replace(plan, config=dataclasses.replace(plan.config, model=model))
    assert plan.minutes is not None
    reason = f"fewer, to fit into {plan.minutes:g} min"
    return plan.with_decision(Decision("--filters", ",".join(map(str, filters)), reason))


def _can_not_shrink(config: TrainConfig, given: Iterable[str]) -> bool:
    fixed = {"filters", "architecture", "start_from"} & set(given)
    return bool(fixed) or config.model.filters[0] // 2 < table.FEWEST_FILTERS

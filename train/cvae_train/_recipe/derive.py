"""Derive a recipe from a look at the images. No TensorFlow: everything here is arithmetic."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from .._config import LIKELIHOOD_OF_LEVELS, Augment, ModelConfig, TrainConfig, default_filters
from .._data import LEAST_IMAGES, DataLook, DataOptions, held_out_count
from . import table
from .plan import Decision, TrainingPlan

MODEL_SETTINGS = ("architecture", "filters", "latent_dim", "likelihood", "prior")
"""Fields of `ModelConfig` that a caller may set; the shape of the images follows from the data."""

GIVEN = "given"
STOPS_EARLY = "stops if the validation ELBO no longer rises"

Shape = tuple[int, int, int]
_Value = TypeVar("_Value")


def derive(
    look: DataLook, options: DataOptions, given: Mapping[str, Any], like: TrainConfig | None = None
) -> TrainingPlan:
    """Derive a recipe.

    Args:
        look: description of the images.
        options: how to read the images; the fields that are None are decided here.
        given: settings that the caller fixed, by the names of the fields of `TrainConfig` and `ModelConfig`.
        like: recipe of the run that the new one starts from; its network and the form of its pixels are the default.

    Raises:
        InputError: the given settings contradict each other.
    """
    decisions = _Decisions(dict(given))
    if like is not None:
        decisions.inherit(like)
    size, options = _image_size(decisions, look, options)
    channels, options = _channels(decisions, look, options)
    shape = (*size, channels)
    likelihood, binarize = _likelihood(decisions, look, shape)
    model = _network(decisions, shape, likelihood, look.train)
    augment = decisions.take("augment", *_augment(look, shape))
    train, held = _validation(decisions, look)
    batch = decisions.take("batch_size", *_batch_size(train))
    optimizer = decisions.take("optimizer", table.OPTIMIZER, "learns pictures in fewer steps than Adam")
    rate, why = _learning_rate(batch)
    rate = decisions.take("learning_rate", rate, why)
    steps_per_epoch = math.ceil(train / batch)
    epochs = decisions.take("epochs", *_epochs(steps_per_epoch, batch))
    steps = epochs * steps_per_epoch
    warmup = decisions.take("warmup_steps", warmup_steps(steps), f"{table.WARMUP_SHARE:.0%} of {steps:,} steps")
    validated = bool(held or look.validation)
    stop_after = decisions.take(
        "patience",
        patience(epochs) if validated else 0,
        STOPS_EARLY if validated else "no validation images",
    )
    objective = decisions.take("objective", table.OBJECTIVE, "ELBO with its KL in closed form: less noise")
    beta = decisions.take("beta", *_beta(shape, likelihood, objective, look.train))
    defaults = {"decay": "cosine", "clip_norm": table.CLIP_NORM, "precision": table.PRECISION}
    config = TrainConfig(
        model=model,
        **{
            **defaults,
            **{name: value for name, value in given.items() if name not in MODEL_SETTINGS},
            "binarize": binarize,
            "augment": augment,
            "batch_size": batch,
            "optimizer": optimizer,
            "learning_rate": rate,
            "epochs": epochs,
            "warmup_steps": warmup,
            "validation_fraction": decisions.values["validation_fraction"],
            "patience": stop_after,
            "objective": objective,
            "beta": beta,
        },
    )
    images = {"training": train, "validation": look.validation or held, "test": look.test}
    return TrainingPlan(config, options, images, tuple(decisions.made), derived=True, given=frozenset(given))


def warmup_steps(steps: int) -> int:
    """Steps of warm-up for a run: a share of all its steps."""
    return int(table.WARMUP_SHARE * steps)


def patience(epochs: int) -> int:
    """Epochs without a better validation ELBO that end a run early: a share of all its epochs."""
    return max(table.LEAST_PATIENCE, round(table.PATIENCE_SHARE * epochs))


def _entry(entries: Sequence[tuple[int | None, _Value]], images: int) -> _Value:
    """Look up the entry for a number of images in a table of `table`."""
    return next(value for most, value in entries if most is None or images <= most)


class _Decisions:
    """Decisions so far: values by setting, and their records."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._why = dict.fromkeys(given, GIVEN)
        self.values: dict[str, Any] = {}
        self.made: list[Decision] = []

    def inherit(self, config: TrainConfig) -> None:
        for name in MODEL_SETTINGS:
            if name not in self._given:
                self._given[name], self._why[name] = getattr(config.model, name), "as the run of --from"
        if "binarize" not in self._given:
            self._given["binarize"] = config.binarize

    def given(self, name: str) -> Any:
        return self._given.get(name)

    def forget(self, name: str) -> None:
        """Leave out an inherited value that does not work here."""
        if self._why.get(name) != GIVEN:
            self._given.pop(name, None)

    def take(self, name: str, value: Any, reason: str) -> Any:
        """Record a decision; return the caller's value if there is one."""
        if name in self._given:
            value, reason = self._given[name], self._why[name]
        self.values[name] = value
        self.record(f"--{name.replace('_', '-')}", value, reason)
        return value

    def record(self, option: str, value: Any, reason: str) -> None:
        text = (
            ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if type(value) is float else value
        )
        self.made.append(Decision(option, str(text), reason))


def _image_size(decisions: _Decisions, look: DataLook, options: DataOptions) -> tuple[tuple[int, int], DataOptions]:
    sizes = [size for size, _ in look.sizes]
    (height, width), one = sizes[0], len(sizes) == 1
    if options.image_size is not None:
        (height, width), reason = options.image_size, GIVEN
    elif one and max(height, width) <= table.LARGEST_SIDE:
        reason = "all images have this size"
    elif one:
        scale = table.LARGEST_SIDE / max(height, width)
        height, width = (max(1, round(side * scale)) for side in (height, width))
        reason = f"scaled from {sizes[0][1]}x{sizes[0][0]}; more takes long"
    else:
        shorter = np.repeat([min(size) for size in sizes], [count for _, count in look.sizes])
        median = int(np.median(shorter))
        height = width = max((side for side in table.SIDES if side <= median), default=median)
        reason = f"{len(sizes):,} sizes; median of the shorter sides: {median:,}"
    if (options.image_size is None) and not (one and (height, width) == sizes[0]):
        options = dataclasses.replace(options, image_size=(height, width))
    decisions.record("--image-size", f"{width}x{height}", reason)
    return (height, width), options


def _channels(decisions: _Decisions, look: DataLook, options: DataOptions) -> tuple[int, DataOptions]:
    channels, reason = 1 if look.grey else 3, "all images are grey" if look.grey else "images are in colour"
    if options.channels is not None:
        channels, reason = options.channels, GIVEN
    elif channels != look.channels:
        options, reason = dataclasses.replace(options, channels=channels), "all images are grey, though stored as RGB"
    decisions.record("--channels", channels, reason)
    return channels, options


def _likelihood(decisions: _Decisions, look: DataLook, shape: Shape) -> tuple[Any, Any]:
    if shape[2] == 3 and decisions.given("likelihood") == "bernoulli":
        decisions.forget("likelihood")
        decisions.forget("binarize")
    binary = look.black_and_white and shape[2] == 1
    if (given := decisions.given("likelihood")) is not None:
        binary = given == "bernoulli"
    elif (binarize := decisions.given("binarize")) is not None and shape[2] == 1:
        binary = binarize != "none"
    why = "black and white" if look.black_and_white else "grey levels" if shape[2] == 1 else "colour"
    share = f"{look.near_black + look.near_white:.0%} of the values are near 0 or 255"
    likelihood = decisions.take(
        "likelihood",
        "bernoulli" if binary else LIKELIHOOD_OF_LEVELS,
        share if binary and look.black_and_white else "two levels" if binary else f"256 levels: {why}",
    )
    given = decisions.given("binarize")
    return likelihood, given or ("static" if binary else "none")


def _network(decisions: _Decisions, shape: Shape, likelihood: Any, images: int) -> ModelConfig:
    architecture = decisions.take("architecture", table.ARCHITECTURE, "no wide layers at full size")
    filters = default_filters(architecture, shape)
    wider = max(shape[:2]) < table.WIDER_BELOW or images > table.WIDER_ABOVE
    reason = {"notebook": "the notebook's", "dense": "units of the hidden layers"}.get(architecture)
    if reason is None:
        filters = tuple(count * 2 for count in filters) if wider else filters
        reason = f"at 1/2 ... 1/{2 ** len(filters)} of the side"
    filters = decisions.take("filters", filters, reason)
    values, by_images = math.prod(shape), _entry(table.LATENT_DIMS, images)
    by_values = min(values // table.MOST_VALUES_PER_LATENT, table.LATENT_DIMS[-1][1])
    latents = max(1, min(max(by_images, by_values), values // table.LEAST_VALUES_PER_LATENT))
    why = f"for {images:,} images" if latents == by_images else f"{values:,} values an image"
    latents = decisions.take("latent_dim", latents, why)
    return ModelConfig(shape, latents, filters, likelihood, architecture)


def _augment(look: DataLook, shape: Shape) -> tuple[Augment, str]:
    if look.train >= table.AUGMENT_BELOW:
        return "none", f"{look.train:,} images are enough"
    if look.symmetry == "none":
        return "none", "mirrored images differ" if look.train >= LEAST_IMAGES else "too few images to see a symmetry"
    symmetry: Augment = "mirror-flip" if look.symmetry == "dihedral" and shape[0] != shape[1] else look.symmetry
    return symmetry, "the copies look like the images"


def _validation(decisions: _Decisions, look: DataLook) -> tuple[int, int]:
    """Decide the validation fraction; return the numbers of images for training and of those held out."""
    least = math.ceil((table.LEAST_VALIDATION - 0.5) / table.VALIDATION_FRACTION)
    if look.validation is not None:
        fraction, reason = 0.0, "the data has its own validation images"
    elif decisions.given("patience") and look.train > 1:
        fraction, reason = table.VALIDATION_FRACTION, "for --patience"
    elif look.train < least:
        fraction, reason = 0.0, f"too few images: fewer than {least}"
    else:
        fraction = min(table.VALIDATION_FRACTION, float(f"{table.MOST_VALIDATION / look.train:.2g}"))
        reason = "to keep the weights of the best epoch"
    fraction = decisions.take("validation_fraction", fraction, reason)
    held = held_out_count(look.train, fraction) if fraction and look.train > 1 else 0
    return look.train - held, held


def _batch_size(images: int) -> tuple[int, str]:
    size = max(1, min(_entry(table.BATCH_SIZES, images), images // table.STEPS_PER_EPOCH))
    return size, f"for {images:,} images"


def _learning_rate(batch: int) -> tuple[float, str]:
    rate = min(table.HIGHEST_RATE, table.LEARNING_RATE * math.sqrt(batch / table.RATE_BATCH))
    return float(f"{rate:.1g}"), f"highest, for batches of {batch:,}; cosine decay to 0"


def _beta(shape: Shape, likelihood: Any, objective: Any, images: int) -> tuple[float, str]:
    if likelihood == "bernoulli" or objective in ("iwae", "dreg"):
        return 1.0, "the ELBO itself"
    wanted = math.prod(shape) / _entry(table.VALUES_PER_BETA, images)
    beta = float(round(min(wanted, _entry(table.HIGHEST_BETA, images))))
    return (beta, "weight of the KL, for better samples") if beta > 1.0 else (1.0, "the ELBO itself")


def _epochs(steps_per_epoch: int, batch: int) -> tuple[int, str]:
    low, high = table.STEPS
    steps = min(max(table.EPOCHS * steps_per_epoch, low), high)
    epochs = max(1, min(table.MOST_EPOCHS, math.ceil(steps / steps_per_epoch)))
    return epochs, f"{epochs * steps_per_epoch:,} steps of {batch:,} images"

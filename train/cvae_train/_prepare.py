"""Prepare a run: read the images, and choose the recipe from what the caller gives, an earlier run, or the images."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvae_runtime import InputError

from ._config import LIKELIHOOD_OF_LEVELS, TrainConfig, default_filters
from ._data import (
    AS_THEY_ARE,
    EMBEDDED,
    DataOptions,
    Dataset,
    ImageSource,
    held_out_count,
    load_data,
    look_at,
    look_at_dataset,
)
from ._recipe import MODEL_SETTINGS, Decision, TrainingPlan, check_minutes, derive, more_epochs, with_working_warmup
from ._run import RunFolder


@dataclasses.dataclass(frozen=True)
class Request:
    """A run to prepare.

    Attributes:
        data: the images; None: the embedded MNIST.
        config: the recipe; None: derive it from the images, or take the notebook's if there are neither images nor
            minutes.
        options: how to read the images; what it leaves open is derived.
        given: settings that the caller set, by the names of the fields of `TrainConfig` and `ModelConfig`.
        minutes: the time to fit the run to.
        run: the run folder.
        resume: resume the run in that folder.
        start_from: folder of the run to start from.
        model_of_start: use the model of that run also if there is a ``config``.
        labels: condition the model on the classes of the images.
        exact: use ``config`` as it is, instead of adapting it to the shape of the images.
        memory_limit, spill, quiet: see `load_data`.
    """

    data: ImageSource | Dataset | None = None
    config: TrainConfig | None = None
    options: DataOptions = AS_THEY_ARE
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    minutes: float | None = None
    run: Path | None = None
    resume: bool = False
    start_from: Path | None = None
    model_of_start: bool = True
    labels: bool = False
    exact: bool = False
    memory_limit: int | None = None
    spill: Path | None = None
    quiet: bool = False

    @property
    def recorded(self) -> RunFolder | None:
        """The run to resume; None if there is none."""
        if not self.resume or self.run is None or not RunFolder(self.run).config.is_file():
            return None
        return RunFolder(self.run)

    def load(self, options: DataOptions) -> Dataset:
        """Read the images."""
        if isinstance(self.data, Dataset):
            return self.data
        source = EMBEDDED if self.data is None else self.data
        return load_data(source, options, memory_limit=self.memory_limit, spill=self.spill, quiet=self.quiet)


def prepare(request: Request) -> tuple[Dataset, TrainingPlan]:
    """Read the images and plan the run.

    Returns:
        The images; and the plan, which is not fitted to its minutes yet if its speed is None.

    Raises:
        InputError: the images cannot be read, or the settings contradict each other or the run to resume.
    """
    began = time.perf_counter()
    if request.minutes is not None:
        check_minutes(request.minutes)
        if "epochs" in request.given:
            raise InputError("minutes and epochs both set the length of the run: give one of them")
    recorded = request.recorded
    embedded = request.data is None or (isinstance(request.data, str) and request.data == EMBEDDED)
    config = TrainConfig() if request.config is None and embedded and request.minutes is None else request.config
    if request.config is None and recorded is not None and recorded.read_recipe() is not None:
        config = None  # it was derived
    if recorded is not None and (config is None or request.minutes is not None):
        data, plan = _resumed(request, recorded, config)
    elif config is None:
        data, plan = _derived(request)
    else:
        data, plan = _of_recipe(request, config)
    if request.labels:
        plan = _with_labels(plan, _class_names(data))
    elif request.start_from is not None and recorded is None and not request.exact and request.model_of_start:
        # The model of that run is the default, as far as the images have its classes.
        names = RunFolder(request.start_from).read_config()[0].model.labels
        plan = _with_labels(plan, names if data.labels is not None and data.labels.names == names else ())
    return data, dataclasses.replace(plan, minutes=request.minutes or plan.minutes, began=began)


def _of_recipe(request: Request, config: TrainConfig) -> tuple[Dataset, TrainingPlan]:
    """Plan a run with a recipe: as it is, or adapted to the images."""
    data = request.load(request.options)
    if request.exact:
        return data, _counted(TrainingPlan(config, data.options), data)
    recorded = request.recorded
    if request.start_from is not None and request.model_of_start:
        config = _with_model_of(config, request)
    adapted = _adapted(config, data, request)
    plan = _counted(TrainingPlan(adapted, data.options, given=frozenset(request.given)), data)
    likelihood = adapted.model.likelihood
    if likelihood != config.model.likelihood and "likelihood" not in request.given:
        plan = plan.with_decision(Decision("--likelihood", likelihood, "3 channels"))
    plan = with_working_warmup(plan)
    if recorded is not None and "warmup_steps" not in request.given:
        plan = _with_recorded_warmup(plan, recorded)
    return data, plan


def _derived(request: Request) -> tuple[Dataset, TrainingPlan]:
    if isinstance(request.data, Dataset):
        look = look_at_dataset(request.data)
        height, width, channels = request.data.image_shape
        options = dataclasses.replace(request.options, image_size=(height, width), channels=channels)
    else:
        look = look_at(EMBEDDED if request.data is None else request.data, request.options, quiet=request.quiet)
        options = request.options
    like = None if request.start_from is None else RunFolder(request.start_from).read_config()[0]
    given = dict(request.given)
    plan = derive(look, options, given, like)
    if isinstance(request.data, Dataset):
        data = request.data
    else:
        height, width, channels = plan.config.model.image_shape
        # With the whole shape, the images' headers are not read again.
        whole = dataclasses.replace(plan.options, image_size=(height, width), channels=channels)
        data = dataclasses.replace(request.load(whole), options=plan.options)
    if (len(data.train), len(data.test)) != (look.train, look.test):  # some could not be decoded
        validation = None if data.validation is None else len(data.validation)
        look = dataclasses.replace(look, train=len(data.train), test=len(data.test), validation=validation)
        plan = derive(look, options, given, like)
    if like is not None:
        plan = dataclasses.replace(plan, given=plan.given | {"start_from"})
    return data, plan


def _resumed(request: Request, folder: RunFolder, config: TrainConfig | None) -> tuple[Dataset, TrainingPlan]:
    """Plan a run from its ``config.json``; nothing is derived or measured again."""
    recipe, info = folder.read_config()
    data = request.load(dataclasses.replace(info.options, **request.options.set_fields()))
    if config is not None:  # a recipe that was fitted to a time
        fitted = {name: getattr(recipe, name) for name in ("epochs", "warmup_steps", "kl_warmup_epochs", "patience")}
        config = config if request.exact else _adapted(config, data, request)
        if config.model.architecture == recipe.model.architecture:
            model = dataclasses.replace(config.model, filters=recipe.model.filters)
            config = dataclasses.replace(config, model=model)
        recipe = dataclasses.replace(config, **fitted)
    shape = {name: value for name, value in request.given.items() if name in MODEL_SETTINGS}
    settings = {name: value for name, value in request.given.items() if name not in MODEL_SETTINGS}
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, **shape), **settings)
    plan = _counted(TrainingPlan(recipe, data.options), data)
    if (record := folder.read_recipe()) is not None:
        plan = plan.with_record(record, str(folder.config))
    minutes = request.minutes
    if minutes is None or minutes == plan.minutes:
        return data, plan
    if plan.minutes is None or plan.speed is None:
        raise InputError(
            f"{folder.path}: expected a run that was started with --minutes, found one that was started without; leave "
            f"--minutes out, or pass more --epochs"
        )
    if not folder.finished or minutes < plan.minutes:
        raise InputError(
            f"{folder.path}: expected --minutes {plan.minutes:g}, as the run was started with, found {minutes:g}; "
            f"repeat it; a finished run takes more"
        )
    return data, more_epochs(plan, minutes)


def _class_names(data: Dataset) -> tuple[str, ...]:
    """Names of the classes of the images; raise `InputError` unless there are two or more."""
    names = () if data.labels is None else data.labels.names
    if len(names) < 2:
        expected, found = ("the class of every image", "none") if data.labels is None else ("2 or more classes", "1")
        raise InputError(
            f"{data.source}: --labels: expected {expected}, found {found}; put the images of each class into a folder of "
            f"its own, or add labels.csv with the columns path and label"
        )
    return names


def _with_labels(plan: TrainingPlan, names: tuple[str, ...]) -> TrainingPlan:
    """Condition the model of a plan on classes."""
    model = dataclasses.replace(plan.config.model, labels=names)
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, model=model))


def _adapted(recipe: TrainConfig, data: Dataset, request: Request) -> TrainConfig:
    """Adapt a recipe to the shape of the images, and apply the given settings."""
    changes = dict(request.given)
    if changes.get("likelihood", "bernoulli") != "bernoulli":
        changes.setdefault("binarize", "none")
    elif "likelihood" not in changes and data.image_shape[2] == 3 and recipe.model.likelihood == "bernoulli":
        likelihood = LIKELIHOOD_OF_LEVELS
        if request.recorded is not None:
            found = request.recorded.read_config()[0].model.likelihood
            likelihood = LIKELIHOOD_OF_LEVELS if found == "bernoulli" else found
        changes = {"binarize": "none"} | changes | {"likelihood": likelihood}
    shape = {name: changes.pop(name) for name in MODEL_SETTINGS if name in changes}
    if (architecture := shape.get("architecture", recipe.model.architecture)) != recipe.model.architecture:
        shape.setdefault("filters", default_filters(architecture, data.image_shape))
    model = dataclasses.replace(recipe.model, image_shape=data.image_shape, **shape)
    return dataclasses.replace(recipe, model=model, **changes)


def _with_model_of(recipe: TrainConfig, request: Request) -> TrainConfig:
    """Replace the model of a recipe, and the form of the pixels that it needs, with those of the run to start from."""
    assert request.start_from is not None
    config, _ = (request.recorded or RunFolder(request.start_from)).read_config()
    return dataclasses.replace(recipe, model=config.model, binarize=config.binarize)


def _with_recorded_warmup(plan: TrainingPlan, folder: RunFolder) -> TrainingPlan:
    """Take the warm-up of the run to resume if it was shortened; see `with_working_warmup`."""
    recorded = folder.read_config()[0].warmup_steps
    shorter = min(plan.config.warmup_steps, recorded) if recorded else plan.config.warmup_steps
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, warmup_steps=shorter))


def _counted(plan: TrainingPlan, data: Dataset) -> TrainingPlan:
    """Add the numbers of images."""
    fraction, train = plan.config.validation_fraction, len(data.train)
    own = 0 if data.validation is None else len(data.validation)
    held = held_out_count(train, fraction) if fraction and not own and train > 1 else 0
    images = {"training": train - held, "validation": own or held, "test": len(data.test)}
    return dataclasses.replace(plan, images=images)

"""`TrainingPlan`: the recipe of a run, with the reason of each decision."""

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any, Self

from cvae_runtime import InputError

from .._config import TrainConfig
from .._data import AS_THEY_ARE, DataOptions
from .table import FINISH_SECONDS

_REASON_COLUMN = 29


@dataclasses.dataclass(frozen=True)
class Decision:
    """A decision about a recipe.

    Attributes:
        option: the option of ``cvae-train`` that changes it, such as "--latent-dim".
        value: the value, as the option takes it.
        reason: why it has this value.

    Examples:
        >>> print(cvae_train.Decision("--latent-dim", "10", "few images"))
          --latent-dim 10             few images
    """

    option: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"  {f'{self.option} {self.value}':{_REASON_COLUMN - 2}} {self.reason}"


@dataclasses.dataclass(frozen=True)
class Speed:
    """Measured speed of a recipe on a machine.

    Attributes:
        step_seconds: of an optimizer step.
        epoch_seconds: of an epoch without its steps: evaluation, picture and checkpoint.
        start_seconds: until the first step of the run, compilation included.

    Examples:
        >>> speed = cvae_train.Speed(step_seconds=0.01, epoch_seconds=2.0, start_seconds=5.0)
        >>> speed.whole_epoch(steps_per_epoch=100)
        3.0
    """

    step_seconds: float
    epoch_seconds: float
    start_seconds: float

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not (isinstance(value, int | float) and 0.0 <= value < math.inf):
                raise InputError(f"{name}: expected seconds, found {value!r}")

    def run_seconds(self, epochs: int, steps_per_epoch: int) -> float:
        """Seconds of a whole run."""
        return self.start_seconds + epochs * self.whole_epoch(steps_per_epoch) + FINISH_SECONDS

    def whole_epoch(self, steps_per_epoch: int) -> float:
        """Seconds of an epoch with its steps."""
        return steps_per_epoch * self.step_seconds + self.epoch_seconds


@dataclasses.dataclass(frozen=True, repr=False)
class TrainingPlan:
    """The recipe of a run before it is trained, with its reasons.

    Attributes:
        config: the recipe.
        options: how the images are read.
        images: number of images by use: "training", "validation", "test".
        decisions: what was decided, and why. Of a preset or a file, only what was changed.
        derived: whether the recipe was derived from the images.
        given: names of the settings that the caller set.
        minutes: the time that the run is fitted to; None: as long as the recipe needs.
        speed: as measured; None before that.
        began: `time.perf_counter` when the command began, to which ``minutes`` refers.

    Examples:
        >>> plan = cvae_train.TrainingPlan(cvae_train.TrainConfig(batch_size=100), images={"training": 950})
        >>> plan.steps_per_epoch
        10
    """

    config: TrainConfig
    options: DataOptions = AS_THEY_ARE
    images: Mapping[str, int] = dataclasses.field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    derived: bool = False
    given: frozenset[str] = frozenset()
    minutes: float | None = None
    speed: Speed | None = None
    began: float = dataclasses.field(default_factory=time.perf_counter, compare=False)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch, including a smaller last one."""
        return math.ceil(self.images["training"] / self.config.batch_size)

    @property
    def seconds(self) -> float | None:
        """Expected seconds of the whole run; None if the speed is not measured."""
        if self.speed is None:
            return None
        return self.speed.run_seconds(self.config.epochs, self.steps_per_epoch)

    def __repr__(self) -> str:
        """Describe the plan as the command prints it."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Describe images, decisions and time in lines of at most 80 columns."""
        seconds = self.seconds
        if not self.decisions and seconds is None:
            return []
        counts = ", ".join(f"{count:,} {use}" for use, count in self.images.items() if count)
        time_taken = [] if seconds is None else [f"  {describe_time(seconds)}"]
        return [f"plan: {counts} images", *map(str, self.decisions), *time_taken]

    def with_decision(self, decision: Decision) -> Self:
        """Replace the decision about an option, or add it."""
        options = [other.option for other in self.decisions]
        decisions = list(self.decisions)
        if decision.option in options:
            decisions[options.index(decision.option)] = decision
        else:
            decisions.append(decision)
        return dataclasses.replace(self, decisions=tuple(decisions))

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON values, as ``cvae-train --dry-run --json`` prints them."""
        return {
            "images": dict(self.images),
            "config": self.config.to_json(),
            "options": dataclasses.asdict(self.options),
            **self.record(),
            "seconds": self.seconds,
        }

    def record(self) -> dict[str, Any]:
        """Return what ``config.json`` records beside the recipe: the decisions, the time and the speed."""
        return {
            "decisions": [dataclasses.asdict(decision) for decision in self.decisions],
            "minutes": self.minutes,
            "speed": None if self.speed is None else dataclasses.asdict(self.speed),
        }

    def with_record(self, record: Mapping[str, Any], source: str) -> Self:
        """Return the plan with what ``config.json`` records; see `record`.

        Raises:
            InputError: a field is missing or has the wrong type; the message starts with ``source``.
        """
        try:
            speed, minutes = record["speed"], record["minutes"]
            return dataclasses.replace(
                self,
                decisions=tuple(Decision(**fields) for fields in record["decisions"]),
                minutes=None if minutes is None else check_minutes(float(minutes)),
                speed=None if speed is None else Speed(**speed),
            )
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{source}: expected a plan as cvae-train writes it, found {error!r}; restore the file, or start again "
                f"with --overwrite"
            ) from error


def check_minutes(minutes: float) -> float:
    """Return a number of minutes.

    Raises:
        InputError: it is not positive and finite.
    """
    if not 0.0 < minutes < math.inf:
        raise InputError(f"minutes must be a positive number; found {minutes}")
    return minutes


def describe_time(seconds: float) -> str:
    """Describe the expected time of a run."""
    if seconds < 90:
        return f"takes about {max(1, round(seconds))} s"
    return f"takes about {seconds / 60:.1f} min" if seconds < 5400 else f"takes about {seconds / 3600:.1f} h"

"""Train and export the model and the background model of a task, each by the project's own commands."""

import dataclasses
import json
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvae_runtime.files import make_folder, write_file
from cvae_runtime.images import npz_bytes

from .._measure import measured
from .._process import ContenderError
from ._images import Parts
from ._tasks import Task

_SCRIPTS = Path(sysconfig.get_path("scripts"))
TRAIN = (str(_SCRIPTS / "cvae-train"),)
EXPORT = (str(_SCRIPTS / "cvae-export"),)
MODELS = {"model": (), "background": ("--background",)}
_TESTED = 1_000  # held-back images, on which a run reports its ELBO and the export compares its graphs


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a model.

    Attributes:
        minutes: time of each training; None: the epochs of the task.
        most: largest number of images of a part; None: all.
        draws: k, draws of the posterior for each image.
        seed: of the trainings and of the split of the held-back images.
    """

    minutes: float | None
    most: int | None
    draws: int
    seed: int

    def length(self, task: Task) -> tuple[str, str]:
        """The option of ``cvae-train`` that sets the length of a training."""
        return ("--epochs", str(task.epochs)) if self.minutes is None else ("--minutes", f"{self.minutes:g}")


def check_settings(folder: Path, settings: Settings) -> None:
    """Record the settings of a folder.

    Raises:
        ContenderError: the folder has other settings.
    """
    path = folder / "settings.json"
    asked = json.dumps(dataclasses.asdict(settings))
    if not path.is_file():
        make_folder(folder)
        write_file(path, asked.encode())
    elif (found := path.read_text(encoding="utf-8")) != asked:
        raise ContenderError(
            "refused", f"{folder}: expected models of the settings {asked}, found {found}; pass another --out"
        )


def models_of(task: Task) -> Sequence[str]:
    """Names of the models that a task trains; they are names of folders, too."""
    return tuple(MODELS) if task.background else ("model",)


def train(task: Task, parts: Parts, folder: Path, settings: Settings) -> float:
    """Train and export what is missing in the folder; return the seconds of the trainings.

    An interrupted training is resumed.

    Raises:
        ContenderError: a command failed.
    """
    images, seconds = folder / "images.npz", 0.0
    if not images.is_file():
        write_file(images, npz_bytes({"x_train": parts.train, "x_test": parts.held_back[:_TESTED]}))
    for name in models_of(task):
        options = MODELS[name]
        bundle, run = folder / name, folder / f"{name}-run"
        if (bundle / "manifest.json").is_file():
            continue
        command = [*TRAIN, str(images), *task.recipe, *settings.length(task), "--seed", str(settings.seed), *options]
        seconds += measured([*command, "--run", str(run), "--resume"], folder / f"{name}-train.log")[0]
        measured([*EXPORT, str(run), "--onnx", str(bundle)], folder / f"{name}-export.log")
    return seconds


def recipe_of(folder: Path, name: str) -> dict[str, Any]:
    """Settings of a training, without paths of this machine."""
    recipe: dict[str, Any] = json.loads((folder / f"{name}-run" / "config.json").read_text(encoding="utf-8"))
    recipe["data"].pop("source")
    return recipe

"""`Record`: the figures of one model, as the JSON file that the next start of the command finds."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvae_runtime.files import make_folder, write_file

from .._document import DocumentError


@dataclasses.dataclass(frozen=True)
class Record:
    """A model, its detector and its figures.

    Attributes:
        task: one of `_tasks.NAMES`.
        good_class: the class of the good images, or `_tasks.EVERYTHING`.
        settings: see `_train.Settings`.
        images: number of images by part.
        seconds: time of the trainings in this call of the command; 0 for those that were finished before.
        recipes: settings of the trainings of "model" and "background", as in ``config.json``.
        figures: as `_score` returns them.
        environment: machine and versions, see `_environment`.
    """

    task: str
    good_class: str
    settings: Mapping[str, Any]
    images: Mapping[str, int]
    seconds: float
    recipes: Mapping[str, Any]
    figures: Mapping[str, Any]
    environment: Mapping[str, Any]


def folder_of(out: Path, task: str, good_class: str) -> Path:
    """Folder of a model."""
    return out / task / good_class


def write_record(path: Path, record: Record) -> None:
    """Write a record to a file."""
    make_folder(path.parent)
    write_file(path, f"{json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)}\n".encode())


def read_record(path: Path) -> Record | None:
    """Read a record; None if there is none.

    Raises:
        DocumentError: the file is damaged.
    """
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise DocumentError(
            f"{path}: expected the record of a model, found {error}; remove the file and start again"
        ) from error

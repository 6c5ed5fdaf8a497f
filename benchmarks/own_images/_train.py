"""Train a contender on a set and evaluate it, each in a process of its own: a `Record`."""

import csv
import json
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvae_runtime.files import make_folder

from .._environment import environment
from .._measure import measured
from .._process import ContenderError
from ._record import NOTEBOOK, OURS, PYTHAE, Record, folder_of, machine_of, read_records, write_record
from ._sets import ImageSet

TRAIN = (str(Path(sysconfig.get_path("scripts")) / "cvae-train"),)
PYTHAE_PROGRAM = Path(__file__).with_name("_pythae.py")
_RATES = dict(zip(PYTHAE, ("1e-3", "1e-4"), strict=True))
_SCORE = (sys.executable, "-m", "benchmarks.own_images._score")


def train(
    name: str, image_set: ImageSet, contender: str, data: Path, out: Path, minutes: float, pythae: str | None
) -> Record:
    """Train and evaluate, or read the record if that is done.

    A training that was interrupted begins again, since its time counts as a whole.

    Args:
        name: name of the set.
        image_set: the set.
        contender: one of `CONTENDERS`.
        data: DATA of ``cvae-train``.
        out: folder of the question.
        minutes: time of the training.
        pythae: a Python interpreter with pythae.

    Raises:
        ContenderError: the training failed, or cannot run here.
        DocumentError: a record is damaged.
    """
    row = read_records(out, name)
    where = environment()
    _check_row(row, minutes, where, out / name)
    if contender in row:
        return row[contender]
    folder = folder_of(out, name, contender)
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    if contender in PYTHAE:
        record = _train_pythae(name, contender, folder_of(out, name, OURS) / "run", folder, minutes, pythae, where)
    else:
        record = _train_ours(name, image_set, contender, data, folder, minutes, where)
    write_record(out, record)
    return record


def _check_row(row: Mapping[str, Record], minutes: float, where: Mapping[str, Any], folder: Path) -> None:
    """Raise `ContenderError` unless the records have the same minutes and machine."""
    here = f"{where['processor']} ({machine_of(where)})"
    for record in row.values():
        there = f"{record.environment['processor']} ({machine_of(record.environment)})"
        if (record.minutes, there) != (minutes, here):
            raise ContenderError(
                "refused",
                f"{folder}: expected trainings of {minutes:g} minutes on {here}, found {record.minutes:g} minutes on "
                f"{there}; pass another --out, since only equal times on one machine can be compared",
            )


def _train_ours(
    name: str, image_set: ImageSet, contender: str, data: Path, folder: Path, minutes: float, where: Mapping[str, Any]
) -> Record:
    run = folder / "run"
    options = ["--architecture", "notebook"] if contender == NOTEBOOK else []
    command = [*TRAIN, str(data), "--minutes", f"{minutes:g}", "--run", str(run), *options]
    seconds, megabytes = measured(command, folder / "train.log")
    odd = ["--odd", str(data), *image_set.odd] if image_set.odd else []
    figures = _score(folder, "run", str(run), str(folder), *odd)
    recipe = json.loads((run / "config.json").read_text(encoding="utf-8"))
    recipe["data"].pop("source")  # a path of this machine
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        history = [
            {key: float(value) if value else None for key, value in epoch.items()} for epoch in csv.DictReader(file)
        ]
    return Record(name, contender, minutes, seconds, megabytes, figures, recipe, history, where)


def _train_pythae(
    name: str, contender: str, run: Path, folder: Path, minutes: float, pythae: str | None, where: Mapping[str, Any]
) -> Record:
    if pythae is None:
        raise ContenderError("skipped", "no --pythae PYTHON, an interpreter with pythae")
    if not (run / "config.json").is_file():
        raise ContenderError("skipped", f"it takes images and number of latents of {OURS}, not trained")
    images, decoded = folder / "images.npz", folder / "decoded.npz"
    measured([*_SCORE, "images", str(run), str(images)], folder / "images.log")
    latent_dim = json.loads((run / "config.json").read_text(encoding="utf-8"))["config"]["model"]["latent_dim"]
    recipe = {"minutes": minutes, "latent-dim": latent_dim, "learning-rate": _RATES[contender]}
    options = [f"--{option}={value}" for option, value in recipe.items()]
    command = [pythae, str(PYTHAE_PROGRAM), str(images), str(decoded), *options]
    seconds, megabytes = measured(command, folder / "train.log")
    figures = _score(folder, "reconstructions", str(run), str(decoded), str(folder))
    figures |= json.loads(decoded.with_suffix(".json").read_text(encoding="utf-8"))
    for path in (images, decoded):
        path.unlink()
    return Record(name, contender, minutes, seconds, megabytes, figures, recipe, [], where)


def _score(folder: Path, *arguments: str) -> dict[str, Any]:
    measured([*_SCORE, *arguments], folder / "score.log")
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return figures


def contenders_of(image_set: ImageSet) -> Sequence[str]:
    """The contenders of a set, ours first."""
    return (OURS, *image_set.peers)

"""The question: its options, and the tasks, one after another."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cvae_export._config import DRAWS
from cvae_runtime import ParityError
from cvae_runtime.files import make_folder, write_file

from .._environment import environment
from .._harness import entry_of
from .._options import minutes_of, one_of
from .._process import Contender, ContenderError
from .._progress import Progress
from .._result import Comparison, Point
from ._images import parts_of
from ._page import Row, mean_auroc, mean_of_detectors, tables
from ._record import Record, folder_of, read_record, write_record
from ._score import count_false_alarms, score_parts
from ._tasks import COLUMNS, FALSE_ALARMS, NAMES, OF_FALSE_ALARMS, TASKS
from ._train import Settings, check_settings, models_of, recipe_of, train

OPTIONS = ()
IN_ALL = False  # it takes hours
OWN_TABLE = True
OURS = "chosen score"
SEED = 0
_QUICK_MINUTES, _QUICK_IMAGES = 0.1, 1_200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the question's own options."""
    parser.add_argument(
        "tasks", nargs="*", type=one_of(NAMES), metavar="TASK", help=f"{', '.join(NAMES)}; default: all"
    )
    for name, what in (("fashion", "Fashion-MNIST"), ("mnist", "MNIST with grey levels")):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=f"{what}: IDX files of images and labels")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="models and results; what is done is not repeated"
    )
    parser.add_argument(
        "--minutes", type=minutes_of, metavar="M", help="time of each training; default: the task's epochs"
    )


def run(
    *,
    quick: bool,
    progress: Progress,
    tasks: Sequence[str],
    out: Path,
    fashion: Path | None = None,
    mnist: Path | None = None,
    minutes: float | None = None,
) -> Iterator[Comparison | str]:
    """Measure what is missing; yield the comparison and the tables of all tasks in ``out``."""
    settings = Settings(minutes or (_QUICK_MINUTES if quick else None), _QUICK_IMAGES if quick else None, DRAWS, SEED)
    sets = {name: path.absolute() for name, path in (("fashion", fashion), ("mnist", mnist)) if path is not None}
    out = out.absolute()
    make_folder(out)
    plan = [(name, good_class) for name in tasks or NAMES for good_class in _classes(name)]
    notes = []
    progress.stage("models", len(plan))
    for name, good_class in plan:
        progress.step(f"{name}: {good_class}")
        try:
            measure(name, good_class, sets, out, settings)
        except ContenderError as error:
            notes.append(f"- {name}, {good_class}: {error.status}: {error}")
            progress.note(notes[-1])
    rows: dict[str, Row] = {}
    for name, task in TASKS.items():
        found = {each: read_record(_record_path(out, name, each)) for each in task.classes}
        if row := {each: record for each, record in found.items() if record is not None}:
            rows[name] = row
    false_alarms = read_record(_record_path(out, FALSE_ALARMS, *_classes(FALSE_ALARMS)))
    if rows:
        yield comparison(rows)
    if rows or false_alarms is not None:
        yield write_results(out, rows, false_alarms)
    if notes:
        yield "\n".join(notes)


def measure(name: str, good_class: str, sets: Mapping[str, Path], out: Path, settings: Settings) -> Record:
    """Train and score a model, or read the record if that is done.

    Raises:
        ContenderError: a command failed, or the folder has other settings.
        DocumentError: a record is damaged.
        InputError: a set is missing or cannot be read.
    """
    of_task = OF_FALSE_ALARMS if name == FALSE_ALARMS else name
    task, folder, path = TASKS[of_task], folder_of(out, of_task, good_class), _record_path(out, name, good_class)
    check_settings(folder, settings)
    if (record := read_record(path)) is not None:
        return record
    parts = parts_of(task, good_class, sets, settings.most)
    seconds = train(task, parts, folder, settings)
    try:
        figures = (count_false_alarms if name == FALSE_ALARMS else score_parts)(folder, parts, settings)
    except ParityError as error:
        raise ContenderError("failed", str(error)) from error
    recipes = {each: recipe_of(folder, each) for each in models_of(task)}
    record = Record(
        *(name, good_class, dataclasses.asdict(settings), parts.counts, seconds, recipes, figures, environment())
    )
    write_record(path, record)
    return record


def comparison(rows: Mapping[str, Row]) -> Comparison:
    """AUROC of the scores, with the tasks on the axis; published figures are peers."""
    found = {OURS: [Point(name, (mean_of_detectors(row),)) for name, row in rows.items()]}
    for score in COLUMNS:
        areas = {name: mean_auroc(row, score) for name, row in rows.items()}
        found[score] = [Point(name, (area,)) for name, area in areas.items() if area is not None]
    entries = [entry_of(Contender(name, "", kind="ours"), points) for name, points in found.items() if points]
    for name in rows:
        for each in TASKS[name].published:
            contender = Contender(f"{each.name}, {each.source.split(',')[0]}", "")
            entries.append(entry_of(contender, [Point(name, (each.auroc,))]))
    return Comparison("AUROC", "quality", "AUROC", "higher", "task", tuple(entries), OURS, negligible=0.005)


def write_results(out: Path, rows: Mapping[str, Row], false_alarms: Record | None) -> str:
    """Write ``detector.json`` and ``detector.md``; return the tables."""
    records = [record for row in rows.values() for record in row.values()]
    records += [] if false_alarms is None else [false_alarms]
    written = [dataclasses.asdict(record) for record in records]
    write_file(out / "detector.json", f"{json.dumps(written, indent=1, allow_nan=False)}\n".encode())
    text = tables(rows, false_alarms)
    write_file(out / "detector.md", f"{text}\n".encode())
    return text


def _classes(name: str) -> Sequence[str]:
    return TASKS[OF_FALSE_ALARMS if name == FALSE_ALARMS else name].classes


def _record_path(out: Path, name: str, good_class: str) -> Path:
    return folder_of(out, name, good_class) / "record.json"

"""The question: its options, and the trainings of the chosen sets, one after another."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvae_runtime.files import make_folder

from .._options import minutes_of, one_of
from .._process import ContenderError, chosen
from .._progress import Progress
from .._result import Comparison
from ._comparisons import comparisons
from ._page import write_results
from ._record import OURS, read_records
from ._sets import SETS
from ._train import contenders_of, train

OPTIONS = ("peers",)
IN_ALL = False  # it takes hours
QUICK = 0.1  # minutes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the question's own options."""
    parser.add_argument(
        "image_sets", nargs="*", type=one_of(SETS), metavar="SET", help=f"{', '.join(SETS)}; default: all"
    )
    parser.add_argument(
        "--sets",
        type=Path,
        dest="collected",
        metavar="FOLDER",
        help="the folder of scripts/fetch_sets.py; without it, only the results in --out are written again",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="trainings and results; what is done is not repeated"
    )
    parser.add_argument(
        "--minutes", type=minutes_of, metavar="M", help="time of each training; default: that of the set"
    )
    parser.add_argument("--pythae", metavar="PYTHON", help="a Python interpreter with pythae and PyTorch")


def run(
    *,
    quick: bool,
    progress: Progress,
    image_sets: Sequence[str],
    out: Path,
    collected: Path | None = None,
    minutes: float | None = None,
    pythae: str | None = None,
    peers: Sequence[str] | None = None,
) -> Iterator[Comparison | str]:
    """Train what is missing; yield the comparisons and tables of all sets in ``out``."""
    names = list(image_sets) or list(SETS)
    plan = [(name, each) for name in names for each in contenders_of(SETS[name]) if each == OURS or chosen(each, peers)]
    make_folder(out)
    failed: dict[str, ContenderError] = {}
    notes = []
    if collected is not None:
        progress.stage("training", len(plan))
        for name, contender in plan:
            progress.step(f"{name}: {contender}")
            image_set = SETS[name]
            time = minutes or (QUICK if quick else image_set.minutes)
            data = collected.absolute() / image_set.data
            try:
                train(name, image_set, contender, data, out.absolute(), time, pythae)
            except ContenderError as error:
                failed[contender] = error
                notes.append(f"- {name}: {contender}: {error.status}: {error}")
                progress.note(notes[-1])
    found = {name: read_records(out, name) for name in SETS}
    rows = {name: row for name, row in found.items() if OURS in row}
    measured = {contender for row in rows.values() for contender in row}
    yield from comparisons(rows, {name: error for name, error in failed.items() if name not in measured})
    if rows:
        yield write_results(out, rows)
    if notes:
        yield "\n".join(notes)

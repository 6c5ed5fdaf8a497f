"""Result files: format 1, described by ``results.schema.json``.

A file keeps every round, and medians, ratios and shares for other tools. `read_document` computes them again from the
rounds, so a file cannot contradict itself.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._result import Comparison, Entry, Latency, Point

FORMAT = 1
SCHEMA = Path(__file__).with_name("results.schema.json")


class DocumentError(Exception):
    """A file that is no result file."""


@dataclasses.dataclass(frozen=True)
class Document:
    """A run of one or more questions.

    Attributes:
        date: start, ISO 8601, UTC.
        quick: whether it had fewer and shorter rounds; do not quote its figures.
        environment: see `_environment`.
        questions: their comparisons, by the question's name.
    """

    date: str
    quick: bool
    environment: Mapping[str, Any]
    questions: Mapping[str, Sequence[Comparison]]

    def to_json(self) -> dict[str, Any]:
        """The content of the file as dictionaries and lists."""
        return {
            "format": FORMAT,
            "date": self.date,
            "quick": self.quick,
            "environment": dict(self.environment),
            "questions": [
                {"question": name, "comparisons": [_comparison(comparison) for comparison in comparisons]}
                for name, comparisons in self.questions.items()
            ],
        }


def write_document(document: Document, path: Path) -> None:
    """Write a file; raises `OSError`."""
    path.write_text(json.dumps(document.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> Document:
    """Read a file and validate it against the schema.

    Raises:
        DocumentError: it cannot be read, or does not fit the schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path} cannot be read as JSON: {error}") from None
    try:
        import jsonschema
    except ImportError:
        raise DocumentError("result files are checked with jsonschema: pip install jsonschema") from None
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    wrong = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if wrong is not None:
        raise DocumentError(
            f"{path} is no result file of the benchmarks: {wrong.json_path}: {wrong.message[:200]}; "
            f"expected format {FORMAT}, as python -m benchmarks QUESTION --json writes it: measure again"
        )
    return Document(
        data["date"],
        data["quick"],
        data["environment"],
        {part["question"]: [_read_comparison(each) for each in part["comparisons"]] for part in data["questions"]},
    )


def _comparison(comparison: Comparison) -> dict[str, Any]:
    plain = {field.name: getattr(comparison, field.name) for field in dataclasses.fields(comparison)}
    return {**plain, "entries": [_entry(comparison, entry) for entry in comparison.entries]}


def _entry(comparison: Comparison, entry: Entry) -> dict[str, Any]:
    plain = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {**plain, "points": [_point(comparison, entry, point) for point in entry.points]}


def _point(comparison: Comparison, entry: Entry, point: Point) -> dict[str, Any]:
    return {
        "at": point.at,
        "rounds": list(point.rounds),
        "latency": dataclasses.asdict(point.latency) if point.latency else None,
        "median": point.median,
        "lowest": point.lowest,
        "highest": point.highest,
        "quartiles": list(point.quartiles),
        "ratio_to_best_peer": comparison.ratio_to_best_peer(entry, point.at),
        "share_of_ceiling": comparison.share_of_ceiling(entry, point.at),
    }


def _read_comparison(data: Mapping[str, Any]) -> Comparison:
    return Comparison(**{**data, "entries": tuple(_read_entry(entry) for entry in data["entries"])})


def _read_entry(data: Mapping[str, Any]) -> Entry:
    return Entry(**{**data, "points": tuple(_read_point(point) for point in data["points"])})


def _read_point(data: Mapping[str, Any]) -> Point:
    latency = Latency(**data["latency"]) if data["latency"] else None
    return Point(data["at"], tuple(data["rounds"]), latency)

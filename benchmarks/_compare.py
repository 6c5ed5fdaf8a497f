"""Compare two result files: ratios with their noise, and regressions of ours beyond it.

The speed of a machine changes between runs; a shared one's clock can drift by half. If both files have a ceiling from
the same rounds, this compares each figure's share of the ceiling, round by round. Otherwise it compares the figures.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ._document import Document, DocumentError, read_document
from ._result import At, Comparison, Entry, Point
from ._table import heading

_FEW = 5  # with fewer rounds, the spread is unreliable and counts twice
REGRESSION = 3  # the exit code


@dataclasses.dataclass(frozen=True)
class Change:
    """One figure in two files.

    Attributes:
        where: question, comparison, entry and place.
        ours: whether the contender is one of ours; only their regressions count.
        ratio: how many times better the later figure is; None if it is missing.
        noise: how far the ratio may deviate from 1 by the spreads of the rounds, at least the negligible change.
        relative: whether shares of the ceiling were compared.
    """

    where: str
    ours: bool
    ratio: float | None
    noise: float
    relative: bool

    @property
    def worse(self) -> bool:
        """Whether it got worse by more than the noise, or is missing."""
        return self.ratio is None or self.ratio * (1 + self.noise) < 1

    @property
    def better(self) -> bool:
        """Whether it got better by more than the noise."""
        return self.ratio is not None and self.ratio > 1 + self.noise


def compare_files(before: Path, after: Path) -> tuple[str, int]:
    """The text to print, and the exit code: 3 if one of ours regressed.

    Raises:
        DocumentError: a file is no result file, or the files have no figure in common.
    """
    a, b = read_document(before), read_document(after)
    changes = list(compare_documents(a, b))
    if not any(change.ratio is not None for change in changes):
        raise DocumentError(
            f"{before} and {after} have no figure in common: expected the same questions with the same options; "
            f"found {_questions(a)} and {_questions(b)}"
        )
    regressions = [change for change in changes if change.ours and change.worse]
    lines = [f"{before} ({_origin(a)}) to {after} ({_origin(b)}): times as good, and the noise"]
    if a.environment["processor"] != b.environment["processor"]:
        lines.append("the processors differ, which may explain the changes")
    lines += [_line(change) for change in changes if change.ours or change.worse or change.better]
    kept = sum(change.ratio is not None for change in changes)
    lines.append(
        f"{kept} figures compared, {len(regressions)} regressions of ours"
        if regressions
        else f"{kept} figures compared, no regression of ours"
    )
    return "\n".join(lines), REGRESSION if regressions else 0


def compare_documents(before: Document, after: Document) -> Iterator[Change]:
    """All figures of the questions in both files, in the first file's order."""
    for question, comparisons in before.questions.items():
        if question not in after.questions:
            continue
        there = {comparison.name: comparison for comparison in after.questions[question]}
        for comparison in comparisons:
            if comparison.name in there:
                yield from _changes(question, comparison, there[comparison.name])


def _changes(question: str, a: Comparison, b: Comparison) -> Iterator[Change]:
    for entry in a.measured:
        if entry.kind == "ceiling":
            continue
        other = b.entry(entry.name)
        for point in entry.points:
            if other is not None and point.at not in b.places:
                continue  # not requested
            where = f"{question}: {a.name}, {heading(a, point.at)}: {entry.name}"
            later = other.point(point.at) if other else None
            if other is None or later is None:
                yield Change(where, entry.kind == "ours", None, 0.0, relative=False)
                continue
            shares = _shares(a, entry, point.at), _shares(b, other, point.at)
            relative = None not in shares
            one, two = (shares[0] or point, shares[1] or later) if relative else (point, later)
            noise = max(a.negligible, _noise(one) + _noise(two))
            yield Change(where, entry.kind == "ours", a.gain_of_medians(two, one), noise, relative)


def _shares(comparison: Comparison, entry: Entry, at: At) -> Point | None:
    """A figure as its share of the ceiling in each round; None without a ceiling, or if the rounds do not match."""
    ceiling, point = comparison.ceiling(at), entry.point(at)
    top = ceiling.point(at) if ceiling else None
    if comparison.better == "lower" or not point or not top or len(point.rounds) != len(top.rounds):
        return None
    return Point(at, tuple(mine / most for mine, most in zip(point.rounds, top.rounds, strict=True)))


def _noise(point: Point) -> float:
    return point.spread * (2 if 1 < len(point.rounds) < _FEW else 1)


def _line(change: Change) -> str:
    if change.ratio is None:
        return f"{'gone':>7}             {change.where}"
    verdict = "worse" if change.worse else "better" if change.better else "same"
    share = ", as share of the ceiling" if change.relative else ""
    return f"{change.ratio:6.2f}x +-{change.noise:4.0%} {verdict:6} {change.where}{share}"


def _origin(document: Document) -> str:
    return f"{document.date[:10]}, {document.environment['processor']}, {document.environment['cores']} cores"


def _questions(document: Document) -> str:
    return ", ".join(document.questions) or "nothing"

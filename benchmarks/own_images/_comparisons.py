"""Records as comparisons: one for each figure, with the sets on the axis."""

from collections.abc import Callable, Iterator, Mapping

from .._harness import entry_of
from .._process import Contender, ContenderError
from .._result import Comparison, Point
from ._record import CONTENDERS, OURS, Record
from ._sets import Row

_HISTOGRAM, _PCA = "per-pixel histogram", "PCA of as many dimensions"


def comparisons(rows: Mapping[str, Row], failed: Mapping[str, ContenderError]) -> Iterator[Comparison]:
    """Yield the comparisons that have figures of ours.

    Args:
        rows: the records, by set.
        failed: the last error of a contender, for those without any record.
    """

    def figure(name: str) -> Callable[[Record], float | None]:
        return lambda record: record.figures.get(name)

    def comparison(
        title: str, unit: str, better: str, value: Callable[[Record], float | None], negligible: float
    ) -> Iterator[Comparison]:
        found = {contender: _points(rows, contender, value) for contender in CONTENDERS}
        if title.startswith("test bits"):
            for name, key in ((_HISTOGRAM, "histogram"), (_PCA, "pca")):
                found[name] = _points(rows, OURS, figure(f"{key}_bits_per_dimension"))
        entries = tuple(
            entry_of(Contender(name, "", kind="ours" if name == OURS else "peer"), points, failed.get(name))
            for name, points in found.items()
            if points or name in failed
        )
        if found[OURS]:
            yield Comparison(title, "quality", unit, better, "set", entries, OURS, negligible)

    yield from comparison("test bits per dimension", "bits", "lower", figure("bits_per_dimension"), 0.01)
    yield from comparison("PSNR of test reconstructions", "dB", "higher", figure("psnr"), 0.01)
    yield from comparison("SSIM of test reconstructions", "SSIM", "higher", figure("ssim"), 0.02)
    yield from comparison("highest rank of an odd image", "rank", "lower", _highest_rank, 0.0)
    yield from comparison("peak memory of the training", "MB", "lower", lambda record: record.megabytes, 0.1)


def _highest_rank(record: Record) -> float | None:
    ranks = record.figures.get("odd_ranks")
    return float(max(ranks)) if ranks else None


def _points(rows: Mapping[str, Row], contender: str, value: Callable[[Record], float | None]) -> list[Point]:
    found = [(name, value(row[contender])) for name, row in rows.items() if contender in row]
    return [Point(name, (figure,)) for name, figure in found if figure is not None]

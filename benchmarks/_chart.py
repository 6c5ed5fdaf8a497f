"""Draw a comparison with matplotlib."""

from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ._result import Comparison, Entry
from ._table import heading

_PEERS = colormaps["tab20"].colors
_MARKERS = "os^Dv"


def draw(comparison: Comparison, path: Path) -> None:
    """Write a PNG of a comparison: lines if its axis is numeric, otherwise dots."""
    picture = Figure(figsize=(10, 1.5 + 0.25 * len(_drawn(comparison))), layout="constrained")
    axes = picture.subplots()
    numbers = len(comparison.places) > 2 and not any(isinstance(at, str) for at in comparison.places)
    (_lines if numbers else _dots)(axes, comparison)
    axes.set_title(f"{comparison.name} ({comparison.better} is better)")
    axes.grid(alpha=0.3)
    picture.savefig(path, dpi=80, metadata={"Software": None})


def _drawn(comparison: Comparison) -> list[Entry]:
    """The measured entries; only the lowest of several upper bounds."""
    bound = comparison.ceiling(comparison.places[-1]) if comparison.better == "higher" else None
    return [entry for entry in comparison.measured if entry.kind != "ceiling" or bound in (None, entry)]


def _lines(axes: Axes, comparison: Comparison) -> None:
    """Medians along the axis, on logarithmic scales; the legend is ordered by the last points, highest first."""
    for entry in sorted(_drawn(comparison), key=lambda entry: -entry.points[-1].median):
        axes.plot(
            [point.at for point in entry.points],
            [point.median for point in entry.points],
            color=_colour(comparison, entry),
            label=entry.name,
            linestyle="--" if entry.kind == "ceiling" else "-",
            linewidth=3 if entry.kind == "ours" else 1.2,
            marker=_MARKERS[comparison.entries.index(entry) % len(_MARKERS)],
        )
    axes.set(xscale="log", yscale="log", xlabel=comparison.axis, ylabel=comparison.unit)
    axes.set_xticks(comparison.places, [f"{at:g}" for at in comparison.places])
    axes.xaxis.set_minor_locator(NullLocator())
    _ticks(axes.yaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")


def _dots(axes: Axes, comparison: Comparison) -> None:
    """A row for each entry and a dot for each point; whiskers go from the lowest to the highest round."""
    entries = _drawn(comparison)
    for at, marker in zip(comparison.places, _MARKERS, strict=False):
        for row, entry in enumerate(entries):
            if point := entry.point(at):
                whiskers = [[point.median - point.lowest], [point.highest - point.median]]
                colour = _colour(comparison, entry)
                axes.errorbar(point.median, row, xerr=whiskers, color=colour, marker=marker, capsize=3)
        axes.plot([], [], marker, color="gray", label=heading(comparison, at))
    axes.set_yticks(range(len(entries)), [entry.name for entry in entries])
    axes.invert_yaxis()
    axes.set_xlabel(comparison.unit)
    medians = [point.median for entry in entries for point in entry.points]
    if 0 < 5 * min(medians) < max(medians):
        axes.set_xscale("log")
        _ticks(axes.xaxis)
    if len(comparison.places) > 1:
        axes.legend(fontsize="small")


def _ticks(axis: Axis) -> None:
    """1, 2, 5, 10, … on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_locator(NullLocator())


def _colour(comparison: Comparison, entry: Entry) -> object:
    number = comparison.entries.index(entry)
    return {"ours": "black", "ceiling": "gray"}.get(entry.kind, _PEERS[number % len(_PEERS)])

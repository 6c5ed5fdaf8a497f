"""Format comparisons as Markdown tables whose columns align in a terminal."""

import math
from collections.abc import Sequence

from ._result import At, Comparison, Entry, Point

NATS = "nats"
LOGARITHMIC = (NATS, "bits", "dB")  # units of logarithms, whose ratios are meaningless


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Format a table; the first row is the header, the first column is aligned left, the others right."""
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in (rows[0], rule, *rows[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def table(comparison: Comparison) -> str:
    """Medians, half their spread, and how many times better our entry is; below, the contenders without figures."""
    ours, places = comparison.entry(comparison.ours), comparison.places
    rows = [["", *(heading(comparison, at) for at in places)]]
    rows += [[entry.name, *(_cell(comparison, ours, entry, at) for at in places)] for entry in comparison.measured]
    missing = [
        f"- {entry.name}: {entry.status}: {entry.reason}"
        for entry in comparison.entries
        if entry.status in ("failed", "refused")
    ]
    skipped = "; ".join(entry.name for entry in comparison.entries if entry.status == "skipped")
    notes = "\n".join([*missing, *([f"- skipped: {skipped}"] if skipped else [])])
    return "\n\n".join(filter(None, [markdown_table(rows), notes]))


def legend(comparison: Comparison) -> str:
    """One line that explains the figures of the table."""
    return (
        f"{comparison.unit}, {comparison.better} is better; median of the rounds ± half the spread "
        f"(how {'much' if comparison.unit in LOGARITHMIC else 'many times'} better {comparison.ours} is)"
    )


def heading(comparison: Comparison, at: At) -> str:
    """The name of a place on the axis."""
    if isinstance(at, str):
        return at
    axis, _, unit = comparison.axis.partition(", ")
    if axis == "threads":
        return f"{at:g} thread{'' if at == 1 else 's'}"
    return f"{axis} {at:g}{f' {unit}' if unit else ''}"


def figure(comparison: Comparison, value: float) -> str:
    """A figure with about three digits and thousands separators; logarithms with two decimals."""
    if comparison.unit in LOGARITHMIC:
        return f"{value:.2f}"
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _cell(comparison: Comparison, ours: Entry | None, entry: Entry, at: At) -> str:
    point, mine = entry.point(at), ours.point(at) if ours else None
    if point is None:
        return "-"
    spread = f" ±{point.spread:.0%}" if len(point.rounds) > 1 else ""
    ratio = f" ({versus(comparison, mine, point)})" if mine and entry is not ours else ""
    return f"{figure(comparison, point.median)}{spread}{ratio}"


def versus(comparison: Comparison, mine: Point, other: Point) -> str:
    """How many times better ``mine`` is; for logarithms the difference."""
    if comparison.unit in LOGARITHMIC:
        difference = mine.median - other.median
        return f"{difference if comparison.better == 'higher' else -difference:+.2f}"
    ratio = comparison.gain(mine, other)
    if not math.isfinite(ratio):
        return "-"
    return f"{ratio:.2f}x" if ratio >= 0.095 else f"{ratio:.1g}x"

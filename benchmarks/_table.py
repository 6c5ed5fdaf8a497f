"""A comparison as a table on the terminal."""

import math

from ._result import At, Comparison, Entry, Point

NATS = "nats"
_NAME, _CELL = 34, 23


def table(comparison: Comparison) -> str:
    """Medians, half their spread, and in brackets how many times better our entry is, as lines of text."""
    ours = comparison.entry(comparison.ours)
    places = comparison.places
    lines = [f"{'':{_NAME}}" + "".join(f"{heading(comparison, at):>{_CELL}}" for at in places)]
    lines += [
        f"{entry.name:{_NAME}}" + "".join(_cell(comparison, ours, entry, at) for at in places).rstrip()
        for entry in comparison.measured
    ]
    lines += [
        f"{entry.name:{_NAME}}{entry.status}: {entry.reason}"
        for entry in comparison.entries
        if entry.status in ("failed", "refused")
    ]
    skipped = [entry.name for entry in comparison.entries if entry.status == "skipped"]
    if skipped:
        lines.append(f"skipped: {'; '.join(skipped)}")
    return "\n".join(lines)


def legend(comparison: Comparison) -> str:
    """What the table holds, as a line of text."""
    return (
        f"{comparison.name}: {comparison.unit}, {comparison.better} is better; median of the rounds, half the spread, "
        f"and in brackets how {'much' if comparison.unit == NATS else 'many times'} better {comparison.ours} is"
    )


def heading(comparison: Comparison, at: At) -> str:
    """What a place of the axis is called."""
    if isinstance(at, str):
        return at
    axis, _, unit = comparison.axis.partition(", ")
    if axis == "threads":
        return f"{at:g} thread{'' if at == 1 else 's'}"
    return f"{axis} {at:g}{f' {unit}' if unit else ''}"


def figure(comparison: Comparison, value: float) -> str:
    """A figure with about three digits, and thousands apart; nats with two decimals."""
    if comparison.unit == NATS:
        return f"{value:.2f}"
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _cell(comparison: Comparison, ours: Entry | None, entry: Entry, at: At) -> str:
    point, mine = entry.point(at), ours.point(at) if ours else None
    if point is None:
        return f"{'-':>{_CELL - 8}}{'':8}"
    text = figure(comparison, point.median)
    if len(point.rounds) > 1:
        text += f" +-{point.spread:.0%}"
    ratio = f"({versus(comparison, mine, point)})" if mine and entry is not ours else ""
    return f"{f'{text} {ratio:>7}':>{_CELL}}"


def versus(comparison: Comparison, mine: Point, other: Point) -> str:
    """How much better a point is than another: times, or in nats, whose ratios mean nothing, the difference."""
    if comparison.unit == NATS:
        difference = mine.median - other.median
        return f"{difference if comparison.better == 'higher' else -difference:+.2f}"
    return times(comparison.gain(mine, other))


def times(ratio: float) -> str:
    """A ratio; a dash if it is none."""
    if not math.isfinite(ratio):
        return "-"
    return f"{ratio:.2f}x" if ratio >= 0.095 else f"{ratio:.1g}x"

"""A comparison as a picture: lines along an axis of numbers, else rows of bars or of dots. Colours are CSS classes."""

import math
from collections.abc import Sequence

from ._result import At, Comparison, Entry, Point
from ._svg import Scale, polyline, short, spread_out, tag, text
from ._table import NATS, figure, heading, times

WIDTH = 900
_LABELS = 250  # the width kept for names
_FAMILIES = ("TensorFlow", "LiteRT", "PyTorch", "JAX", "OpenVINO", "onnxruntime")


def family(entry: Entry) -> str:
    """The class of an entry's colour: a framework's, or ours, lighter in fewer bits."""
    if entry.kind == "ours":
        return "ours" if entry.precision == "float32" else "ours-fewer"
    if entry.kind == "ceiling":
        return "ceiling"
    if "torch" in entry.name:
        return "pytorch"
    return next((name.lower() for name in _FAMILIES if name.lower() in entry.name.lower()), "other")


def chart(comparison: Comparison) -> str:
    """The picture that suits a comparison, as an SVG element."""
    drawn = _drawn(comparison)
    places = comparison.places
    if not drawn:
        return ""
    if len(places) > 2 and all(isinstance(place, int | float) for place in places):
        return _lines(comparison, drawn)
    if len(places) == 1 and comparison.unit != NATS:
        return _bars(comparison, drawn)
    return _dots(comparison, drawn)


def _drawn(comparison: Comparison) -> list[Entry]:
    """All that was measured, and of several ceilings the one that binds at the last place."""
    top = comparison.ceiling(comparison.places[-1]) if comparison.places else None
    several = sum(entry.kind == "ceiling" for entry in comparison.measured) > 1 and comparison.better == "higher"
    return [entry for entry in comparison.measured if entry.kind != "ceiling" or entry is top or not several]


def _lines(comparison: Comparison, entries: Sequence[Entry]) -> str:
    """Medians along the axis, both scales logarithmic; ours with its slowest and fastest rounds as a band."""
    places = [float(place) for place in comparison.places]
    medians = [point.median for entry in entries for point in entry.points]
    bottom = 384 if len(entries) > 5 else 260  # a name takes a line
    height, left, right, top = bottom + 46, 58, WIDTH - _LABELS, 16
    x = Scale(min(places), max(places), left + 14, right - 14, log=min(places) > 0)
    y = Scale(min(medians) / 1.15, max(medians) * 1.15, bottom, top, log=True)
    parts = [tag("line", x1=left, x2=right, y1=y(t), y2=y(t), class_="grid") for t in y.ticks()]
    parts += [text(left - 8, y(tick) + 4, short(tick), "tick", "end") for tick in y.ticks()]
    parts += [text(x(place), bottom + 20, f"{place:g}", "tick", "middle") for place in places]
    axis = f"{comparison.axis} (logarithmic, as is {comparison.unit})"
    parts.append(text((left + right) / 2, bottom + 40, axis, "tick", "middle"))
    ends = spread_out([y(entry.points[-1].median) for entry in entries], 17, top + 4, bottom)
    order = sorted(range(len(entries)), key=lambda index: entries[index].name == comparison.ours)  # ours on top
    for index in order:
        entry, end = entries[index], ends[index]
        mine = entry.name == comparison.ours
        style = f"{family(entry)}{' mine' if mine else ''}"
        path = [(x(float(point.at)), y(point.median)) for point in entry.points]
        if mine:
            band = [(x(float(p.at)), y(min(p.highest, y.high))) for p in entry.points]
            band += [(x(float(p.at)), y(max(p.lowest, y.low))) for p in reversed(entry.points)]
            corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in band)
            parts.append(tag("polygon", points=corners, class_=f"band {style}"))
        parts.append(polyline(path, f"line {style}"))
        if entry.kind != "ceiling":
            parts += [
                tag(
                    "circle",
                    tag("title", _told(comparison, entry, point)),
                    cx=a,
                    cy=b,
                    r=4 if mine else 3,
                    class_=style,
                )
                for (a, b), point in zip(path, entry.points, strict=True)
            ]
        last = path[-1]
        parts.append(polyline([(last[0] + 7, last[1]), (right + 4, end), (right + 10, end)], f"leader {style}"))
        parts.append(text(right + 14, end + 4, entry.name, f"name {style}"))
    return _svg(comparison, height, parts)


def _bars(comparison: Comparison, entries: Sequence[Entry]) -> str:
    """A row an entry, best first, from zero; the thin line goes from the slowest to the fastest round."""
    at = comparison.places[0]
    rows = _sorted(comparison, entries, at)
    left, right, step = _LABELS, WIDTH - 150, 25
    scale = Scale(0.0, max(point.highest for _, point in rows), left, right)
    parts, y = _ticks(scale, comparison, len(rows) * step), 20.0
    for entry, point in rows:
        style = _style(comparison, entry)
        parts.append(text(left - 10, y + 12, entry.name, f"name {style}", "end"))
        bar = tag("title", _told(comparison, entry, point))
        parts.append(tag("rect", bar, x=left, y=y, width=scale(point.median) - left, height=16, rx=2, class_=style))
        if len(point.rounds) > 1:
            ends = {"x1": scale(point.lowest), "x2": scale(point.highest)}
            parts.append(tag("line", **ends, y1=y + 8, y2=y + 8, class_="whisker"))
        parts.append(text(scale(point.highest) + 8, y + 12, _value(comparison, entry, point), "value"))
        y += step
    return _svg(comparison, y + 28, parts)


def _dots(comparison: Comparison, entries: Sequence[Entry]) -> str:
    """A row an entry, best first, a dot a place of the axis; logarithmic, but for what is below zero."""
    places = comparison.places
    rows = _sorted(comparison, entries, places[0 if comparison.better == "lower" else -1])
    medians = [point.median for entry, _ in rows for point in entry.points]
    low, high = min(medians), max(medians)
    log = low > 0 and high / low > 4
    margin = (high - low) * 0.06
    left, right, step = _LABELS, WIDTH - 110, 25
    ends = (low / 1.2, high * 1.2) if log else (low - margin, high + margin)
    scale = Scale(*ends, left + 12, right - 12, log=log)
    top = 46.0 if len(places) > 1 else 20.0
    parts, y = _ticks(scale, comparison, len(rows) * step, top), top
    if len(places) > 1:
        for number, place in enumerate(places):
            parts.append(tag("circle", cx=left + 12 + 150 * number, cy=18, r=5, class_=f"key at{number}"))
            parts.append(text(left + 24 + 150 * number, 22, heading(comparison, place), "tick"))
        parts.append(text(WIDTH - 8, 22, f"figures: {heading(comparison, places[-1])}", "tick", "end"))
    for entry, _ in rows:
        style = _style(comparison, entry)
        parts.append(text(left - 10, y + 12, entry.name, f"name {style}", "end"))
        found = [(scale(point.median), point) for point in entry.points]
        parts.append(polyline([(x, y + 8) for x, _ in found], f"span {style}"))
        for x, point in found:
            title = tag("title", _told(comparison, entry, point))
            shade = f"at{places.index(point.at)}" if len(places) > 1 else ""
            parts.append(tag("circle", title, cx=x, cy=y + 8, r=5, class_=f"{style} {shade}".strip()))
        parts.append(text(max(x for x, _ in found) + 12, y + 12, _value(comparison, entry, found[-1][1]), "value"))
        y += step
    return _svg(comparison, y + 28, parts)


def _ticks(scale: Scale, comparison: Comparison, height: float, top: float = 20.0) -> list[str]:
    parts = []
    for tick in scale.ticks():
        x = scale(tick)
        parts.append(tag("line", x1=x, x2=x, y1=top - 6, y2=top + height, class_="grid"))
        parts.append(text(x, top + height + 16, short(tick), "tick", "middle"))
    unit = f"{comparison.unit}{', logarithmic' if scale.log else ''}; {comparison.better} is better"
    return [*parts, text(scale.stop + 12, top + height + 16, "", "tick"), text(8, top + height + 16, unit, "tick")]


def _sorted(comparison: Comparison, entries: Sequence[Entry], at: At) -> list[tuple[Entry, Point]]:
    rows = [(entry, point) for entry in entries if (point := entry.point(at))]
    return sorted(rows, key=lambda row: row[1].median, reverse=comparison.better == "higher")


def _style(comparison: Comparison, entry: Entry) -> str:
    return f"{family(entry)}{' mine' if entry.name == comparison.ours else ''}"


def _value(comparison: Comparison, entry: Entry, point: Point) -> str:
    ratio = comparison.ratio_to_best_peer(entry, point.at)
    told = "" if ratio is None or math.isclose(ratio, 1.0) or comparison.unit == NATS else f"  {times(ratio)}"
    return f"{figure(comparison, point.median)}{told}"


def _told(comparison: Comparison, entry: Entry, point: Point) -> str:
    from xml.sax.saxutils import escape

    spread = (
        f", {figure(comparison, point.lowest)} to {figure(comparison, point.highest)}" if len(point.rounds) > 1 else ""
    )
    return escape(
        f"{entry.name}, {heading(comparison, point.at)}: {figure(comparison, point.median)} {comparison.unit}{spread}"
    )


def _svg(comparison: Comparison, height: float, parts: Sequence[str]) -> str:
    return tag("svg", "".join(parts), viewBox=f"0 0 {WIDTH} {height:.0f}", role="img", aria_label=comparison.name)

"""Pieces of SVG: numbers to text, scales, ticks, and labels that keep out of each other's way."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """An element; ``_`` in attributes stands for ``-``, and a last ``_`` for nothing."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_text(value))}" for key, value in attributes.items()
    )
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start", title: str = "") -> str:
    """A line of text; ``title`` is what is shown where a pointer rests."""
    inner = (tag("title", escape(title)) if title else "") + escape(words)
    return tag("text", inner, x=x, y=y, class_=class_, text_anchor=anchor)


def polyline(points: Iterable[tuple[float, float]], class_: str) -> str:
    """A line through points."""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class Scale:
    """From values to places, in logarithms or not."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values: of a logarithmic scale as many of each decade as are not too many."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1,)):
                found = [s * 10.0**d for d in decades for s in steps if self.low <= s * 10.0**d <= self.high]
                if len(found) <= 9:
                    break
            return found
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 3)) if self.high > self.low else 1.0
        step = next(s for s in (step, 2 * step, 5 * step, 10 * step) if (self.high - self.low) / s <= 6)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's label: 20,000 is 20k."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def spread_out(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places for labels at least so far apart, in the same order, each as near as may be to its own."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[list[int], float]] = []  # members, and the place of the first one's label

    def settled(members: list[int]) -> float:
        wanted = sum(places[member] - number * distance for number, member in enumerate(members)) / len(members)
        return max(low, min(wanted, high - (len(members) - 1) * distance))

    for index in order:
        groups.append(([index], settled([index])))
        while len(groups) > 1 and groups[-2][1] + len(groups[-2][0]) * distance > groups[-1][1]:
            members = groups[-2][0] + groups[-1][0]
            groups[-2:] = [(members, settled(members))]
    found = [0.0] * len(places)
    for members, start in groups:
        for number, member in enumerate(members):
            found[member] = start + number * distance
    return found

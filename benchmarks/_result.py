"""Result types, shared by tables, files, reports and `compare`.

A question yields comparisons. A comparison has an entry for each contender, an entry has points along the comparison's
axis, and a point has a figure for each round. Rounds with the same number were measured together, so ratios within a
round are free of the machine's drift.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Literal

Kind = Literal["ours", "peer", "ceiling"]
Status = Literal["measured", "skipped", "failed", "refused"]
Better = Literal["higher", "lower"]
At = int | float | str


@dataclasses.dataclass(frozen=True)
class Latency:
    """Seconds per call: the median over the rounds of each round's percentile."""

    p50: float
    p90: float
    p99: float


@dataclasses.dataclass(frozen=True)
class Point:
    """The figures of an entry at one place on the axis: one for each round, in the comparison's unit."""

    at: At
    rounds: tuple[float, ...]
    latency: Latency | None = None

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def lowest(self) -> float:
        """The minimum of the rounds."""
        return min(self.rounds)

    @property
    def highest(self) -> float:
        """The maximum of the rounds."""
        return max(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile of the rounds; for a single round, its figure twice."""
        if len(self.rounds) == 1:
            return self.rounds[0], self.rounds[0]
        first, _, third = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return first, third

    @property
    def spread(self) -> float:
        """Half the distance from the minimum to the maximum, as a share of the median."""
        return (self.highest - self.lowest) / 2 / abs(self.median) if self.median else 0.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """One contender's results.

    Attributes:
        name: name in tables and charts.
        kind: "ours", "peer", or "ceiling": an upper bound.
        precision: "float32" or another.
        device: "cpu" or another.
        points: along the axis; empty unless measured.
        status: "skipped": not installed or impossible on this machine; "failed": died; "refused": wrong output.
        reason: the reason for a status other than "measured".
    """

    name: str
    kind: Kind
    points: tuple[Point, ...] = ()
    precision: str = "float32"
    device: str = "cpu"
    status: Status = "measured"
    reason: str | None = None

    def point(self, at: At) -> Point | None:
        """The point at a place on the axis."""
        return next((point for point in self.points if point.at == at), None)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Contenders side by side.

    Attributes:
        name: unique within a question, like "decoding, offline".
        scenario: the load: "offline", "single-stream", "server", or another.
        unit: of the figures, like "images/s".
        better: "higher" or "lower".
        axis: the meaning of the points, like "batch".
        entries: one for each contender, measured or not.
        ours: name of the entry that tables compare all others with.
        negligible: relative changes up to this are ignored by `compare`, whatever the spread.
    """

    name: str
    scenario: str
    unit: str
    better: Better
    axis: str
    entries: tuple[Entry, ...]
    ours: str
    negligible: float = 0.02

    @property
    def places(self) -> tuple[At, ...]:
        """All places on the axis, in the order of the entries."""
        return tuple(dict.fromkeys(point.at for entry in self.entries for point in entry.points))

    @property
    def measured(self) -> tuple[Entry, ...]:
        """The entries with figures."""
        return tuple(entry for entry in self.entries if entry.status == "measured")

    def entry(self, name: str) -> Entry | None:
        """The measured entry with this name, or None."""
        return next((entry for entry in self.measured if entry.name == name), None)

    def gain(self, mine: Point, other: Point) -> float:
        """How many times better ``mine`` is: the median ratio of the rounds, or of medians if rounds do not match."""
        if len(mine.rounds) == len(other.rounds):
            return statistics.median(map(self._times_better, mine.rounds, other.rounds))
        return self.gain_of_medians(mine, other)

    def gain_of_medians(self, mine: Point, other: Point) -> float:
        """How many times better ``mine`` is, for points of different runs."""
        return self._times_better(mine.median, other.median)

    def best_peer(self, entry: Entry, at: At) -> Entry | None:
        """The best peer on the entry's device: in float32, or in any precision if the entry itself is in fewer bits."""
        return self._best("peer", at, lambda e: e.device == entry.device and _comparable(entry, e))

    def ratio_to_best_peer(self, entry: Entry, at: At) -> float | None:
        """How many times better than its best peer an entry is; None without a peer, and for ceilings."""
        best, point = self.best_peer(entry, at), entry.point(at)
        peer = best.point(at) if best else None
        if not point or not peer or entry.kind == "ceiling":
            return None
        gain = self.gain(point, peer)
        return gain if math.isfinite(gain) else None  # the rate of a server may be 0

    def ceiling(self, at: At) -> Entry | None:
        """The lowest upper bound."""
        return self._best("ceiling", at, lambda _: True, lowest=True)

    def share_of_ceiling(self, entry: Entry, at: At) -> float | None:
        """Share of the lowest upper bound that an entry reaches; None unless it runs in float32 on the CPU."""
        ceiling = self.ceiling(at)
        point, top = entry.point(at), ceiling.point(at) if ceiling else None
        if entry.kind == "ceiling" or (entry.precision, entry.device) != ("float32", "cpu"):
            return None
        return self.gain(point, top) if point and top and top.median else None

    def _times_better(self, mine: float, other: float) -> float:
        if mine < 0 and other < 0:  # ELBOs: the higher has the smaller absolute value
            mine, other = other, mine
        quotient = (mine, other) if self.better == "higher" else (other, mine)
        return quotient[0] / quotient[1] if quotient[1] else math.inf

    def _best(self, kind: Kind, at: At, fits: Callable[[Entry], bool], *, lowest: bool = False) -> Entry | None:
        found = [(point.median, e) for e in self.measured if e.kind == kind and fits(e) and (point := e.point(at))]
        worst_first = sorted(found, key=lambda pair: pair[0], reverse=self.better == "lower")
        return worst_first[0 if lowest else -1][1] if found else None


def _comparable(entry: Entry, peer: Entry) -> bool:
    return peer.precision == "float32" or entry.precision != "float32"


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile of values by nearest rank, as in MLPerf."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def latency(rounds: Sequence[Sequence[float]]) -> Latency:
    """Latencies from the seconds of every call of every round."""
    return Latency(*(statistics.median(percentile(times, p) for times in rounds) for p in (50, 90, 99)))

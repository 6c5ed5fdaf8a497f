"""Measure contenders in interleaved rounds, each in its own process, after their outputs were checked.

The clock of a machine drifts by more than contenders differ. So every round measures all contenders, one at a time, and
ratios are computed within rounds. A figure is the median over the rounds.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar

import numpy as np

from ._process import Contender, ContenderError, Process
from ._progress import Progress
from ._result import Entry, Point, Status, latency, percentile
from ._serving import largest_rate

Measure = Callable[[int, float], Sequence[float]]  # (batch size, approximate seconds) -> the seconds of every call
Times = Mapping[str, Mapping[int, list[Sequence[float]]]]  # contender -> batch size -> a round's calls
_Item = TypeVar("_Item")
Reference = Callable[[int], np.ndarray]  # batch size -> the expected output


@dataclasses.dataclass(frozen=True)
class Rounds:
    """How much to measure: rounds per contender and batch size, and the approximate seconds of each."""

    count: int
    seconds: float


class Field:
    """Contenders, each in its own process, as a context manager that starts and stops the processes.

    Args:
        contenders: the contenders.
        progress: displays the stages.
        cores: how many cores a contender may use; all by default.
        label: prefix of the names of stages.

    Attributes:
        out: contender -> why it was dropped.
    """

    def __init__(
        self, contenders: Sequence[Contender], progress: Progress, cores: int | None = None, label: str = ""
    ) -> None:
        self.contenders = contenders
        self.out: dict[str, ContenderError] = {}
        self._progress = progress
        self._cores = cores
        self._label = label
        self._processes: dict[str, Process] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._progress.stage(f"{self._label}starting", len(self.contenders))
        with self._stack:  # if one cannot be started, the others are stopped
            for contender in self.contenders:
                self._progress.step(contender.name)
                process = Process(contender, self._cores)
                self._stack.callback(process.close)
                with self._dropping(contender.name, self.out):
                    process.start()
                    self._processes[contender.name] = process
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def offline(self, task: str, batches: Sequence[int], reference: Reference, atol: float, rounds: Rounds) -> "Race":
        """Check all outputs at every batch size, then measure the batch sizes one after another."""
        out = dict(self.out)
        names = self._ready(task, batches, reference, atol, out)
        measures = {name: partial(self._processes[name].measure, task) for name in names}
        times = race(measures, batches, rounds, self._progress, f"{self._label}{task}", out)
        self.out |= {name: error for name, error in out.items() if error.status == "failed"}
        return Race(task, self._taking_part(task), times, out)

    def server(
        self, task: str, batches: Sequence[int], checked: "Race", bound: float, rounds: Rounds, steps: int
    ) -> tuple[Entry, ...]:
        """Find the largest rate of single images, arriving at random, that each contender can serve.

        Args:
            task: the task.
            batches: the batch sizes that a contender may use, all measured before; they include 1.
            checked: the offline race of the task, with its contenders and the rates at which to start the search.
            bound: seconds within which 99 of 100 images must be ready.
            rounds: see `Rounds`; each round searches again, with other arrivals.
            steps: steps of the bisection in a round.

        Returns:
            Entries with one point.
        """
        contenders = [contender for contender in checked.contenders if contender.items is None]
        racing, out = [c for c in contenders if c.name in checked.times], dict(checked.out)
        found: dict[str, list[float]] = {contender.name: [] for contender in racing}
        self._progress.stage(f"{self._label}{task}, server", len(racing) * rounds.count)
        for number in range(rounds.count):
            for contender in _turned(racing, number):
                name = contender.name
                if name in out:
                    continue
                self._progress.step(f"round {number + 1} of {rounds.count}, {name}")
                serve = partial(self._processes[name].serve, task, batches, seconds=rounds.seconds, bound=bound)

                def holds(rate: float, serve: Callable[..., bool] = serve, number: int = number) -> bool:
                    # Two attempts with other arrivals, so that a short interruption does not count.
                    return serve(rate=rate, seed=2 * number) or serve(rate=rate, seed=2 * number + 1)

                most = max(checked.rate(contender, batch) for batch in batches)
                if checked.typical(contender) > bound:
                    found[name].append(0.0)  # even a single image takes longer
                    continue
                with self._dropping(name, out):
                    rate = largest_rate(holds, 0.3 * checked.rate(contender, 1), 1.2 * most, steps)
                    found[name].append(rate or 0.0)
        for name, rates in found.items():
            if name not in out and not any(rates):
                out[name] = ContenderError("failed", f"99% within {1e3 * bound:g} ms were not reached at any rate")
        return tuple(
            entry_of(c, () if c.name in out else [Point(1e3 * bound, tuple(found[c.name]))], out.get(c.name))
            for c in contenders
        )

    def _taking_part(self, task: str) -> list[Contender]:
        return [contender for contender in self.contenders if contender.tasks is None or task in contender.tasks]

    def _ready(
        self, task: str, batches: Sequence[int], reference: Reference, atol: float, out: dict[str, ContenderError]
    ) -> list[str]:
        """The contenders whose output is right at every batch size; the first calls include compilation."""
        taking_part = [contender for contender in self._taking_part(task) if contender.name not in out]
        self._progress.stage(f"{self._label}{task}, first calls", len(taking_part) * len(batches))
        for contender in taking_part:
            process = self._processes[contender.name]
            with self._dropping(contender.name, out):
                for batch in batches:
                    self._progress.step(f"{contender.name}, {batch}")
                    found = process.output(task, batch)
                    if contender.items is None:
                        check_output(found, reference(batch), batch, contender.atol or atol, contender.mean_atol)
        return [contender.name for contender in taking_part if contender.name not in out]

    @contextlib.contextmanager
    def _dropping(self, name: str, out: dict[str, ContenderError]) -> Iterator[None]:
        """Drop the contender if the block fails: from this task, or from all tasks if its process died."""
        try:
            yield
        except ContenderError as error:
            out[name] = error
            if error.status == "failed":
                self.out[name] = error
            self._progress.note(f"{name}: {error.status}: {error}")


@dataclasses.dataclass(frozen=True)
class Race:
    """The measured times of a task.

    Attributes:
        task: the task.
        contenders: those that support it.
        times: contender -> batch size -> round -> the seconds of every call.
        out: contender -> why it was not measured.
    """

    task: str
    contenders: Sequence[Contender]
    times: Times
    out: dict[str, ContenderError]

    def rate(self, contender: Contender, batch: int) -> float:
        """Items per second over all rounds."""
        times = [time for calls in self.times[contender.name][batch] for time in calls]
        return _items(contender, self.task, batch) * len(times) / sum(times)

    def typical(self, contender: Contender) -> float:
        """The median seconds of a call on one item."""
        return percentile([time for calls in self.times[contender.name][1] for time in calls], 50)

    def offline(self) -> tuple[Entry, ...]:
        """Items per second, by batch size."""

        def points(contender: Contender) -> list[Point]:
            return [
                Point(
                    batch,
                    tuple(_items(contender, self.task, batch) * len(calls) / sum(calls) for calls in rounds),
                    latency(rounds) if contender.items is None else None,
                )
                for batch, rounds in self.times[contender.name].items()
            ]

        return self.entries(points)

    def single_stream(self) -> tuple[Entry, ...]:
        """Milliseconds of a call on one item, by percentile."""

        def points(contender: Contender) -> list[Point]:
            rounds = self.times[contender.name][1]
            return [
                Point(f"p{percent}", tuple(1e3 * percentile(calls, percent) for calls in rounds))
                for percent in (50, 90, 99)
            ]

        return self.entries(points, [contender for contender in self.contenders if contender.items is None])

    def entries(
        self, points: Callable[[Contender], Sequence[Point]], contenders: Sequence[Contender] | None = None
    ) -> tuple[Entry, ...]:
        """One entry per contender, with these points or the reason why it has none."""
        return tuple(
            entry_of(contender, () if contender.name in self.out else points(contender), self.out.get(contender.name))
            for contender in (self.contenders if contenders is None else contenders)
        )


def entry_of(contender: Contender, points: Sequence[Point], error: ContenderError | None = None) -> Entry:
    """A contender's entry, with its points or the reason why it has none."""
    status: Status = error.status if error else "measured"
    reason = str(error) if error else None
    kept = () if error else tuple(points)
    return Entry(contender.name, contender.kind, kept, contender.precision, contender.device, status, reason)


def race(
    contenders: Mapping[str, Measure],
    batches: Sequence[int],
    rounds: Rounds,
    progress: Progress,
    what: str,
    out: dict[str, ContenderError] | None = None,
) -> Times:
    """Measure contenders in interleaved rounds; contenders that die are dropped.

    Args:
        contenders: by name.
        batches: the batch sizes, one after another.
        rounds: see `Rounds`.
        progress: displays the stage.
        what: the name of the stage.
        out: receives the contenders that die; without it, the error is raised.
    """
    times: dict[str, dict[int, list[Sequence[float]]]] = {name: {b: [] for b in batches} for name in contenders}
    progress.stage(what, rounds.count * len(batches) * len(contenders))
    for number in range(rounds.count):
        for batch in batches:
            # Each round starts with another contender, because the processor is cooler, or slower, after a pause.
            for name in _turned(list(contenders), number):
                if name not in times:
                    continue
                progress.step(f"round {number + 1} of {rounds.count}, {batch}, {name}")
                try:
                    times[name][batch].append(contenders[name](batch, rounds.seconds))
                except ContenderError as error:
                    if out is None:
                        raise
                    out[name] = error
                    del times[name]
                    progress.note(f"{name}: {error.status}: {error}")
    return times


def check_output(
    found: np.ndarray, expected: np.ndarray, batch: int, atol: float, mean_atol: float | None = None
) -> None:
    """Raise `ContenderError` if an output differs from the expected one by more than the tolerance."""
    if found.shape != expected.shape:
        reason = f"wrong output at batch {batch}: expected shape {expected.shape}, found {found.shape}"
        raise ContenderError("refused", reason)
    differences = np.abs(found - expected)
    difference, limit, how = float(differences.max()), atol, ""
    if mean_atol is not None:
        difference, limit, how = float(differences.mean()), mean_atol, " on average"
    if not difference <= limit:
        reason = f"wrong output at batch {batch}: off by {difference:.2g}{how}, more than {limit:.0e}"
        raise ContenderError("refused", reason)


def _items(contender: Contender, task: str, batch: int) -> float:
    return contender.items[task] if contender.items else batch


def _turned(items: Sequence[_Item], number: int) -> list[_Item]:
    turn = number % len(items) if items else 0
    return [*items[turn:], *items[:turn]]

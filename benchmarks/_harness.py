"""Measures contenders side by side: outputs checked first, rounds interleaved, and a process each where asked for.

A machine's clock drifts by more than contenders differ. So every round visits all of them in turn, one running at a
time, and only ratios within a round are compared; the figure is the median over rounds.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Log = Callable[[str], None]
Measure = Callable[[int, float], Sequence[float]]  # batch size and about how many seconds, to the seconds of every call


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Attributes:
        name: in the table.
        factory: "module:function"; see `_worker`.
        arguments: of the factory.
        atol: how far its output may be from the reference, where that is not the same for all.
    """

    name: str
    factory: str
    arguments: tuple[str, ...] = ()
    atol: float | None = None


class ContenderError(Exception):
    """A contender that is not installed, died, or computes something else."""


class _Process:
    """A contender's process."""

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process, and is closed with it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._worker", contender.factory, *contender.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def close(self) -> None:
        """End it, at once if it does not end by itself."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def start(self) -> None:
        """Wait until it is ready.

        Raises:
            ContenderError: it is not installed or failed.
        """
        answer = self._receive()
        if "unavailable" in answer:
            raise ContenderError(f"not installed: {answer['unavailable']}")

    def output(self, batch: int) -> np.ndarray:
        """What it computes."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "output.npy"
            self._ask(do="output", batch=batch, path=str(path))
            return np.load(path)

    def measure(self, batch: int, seconds: float) -> Sequence[float]:
        """See `Measure`."""
        times: Sequence[float] = self._ask(do="measure", batch=batch, seconds=seconds)["times"]
        return times

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(self._last_words()) from None
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ContenderError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"failed with exit code {self._process.returncode}: {lines[-1] if lines else 'no message'}"


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        rates: contender -> batch size -> a rate a round, in items a second.
        latencies: contender -> batch size -> the median seconds a call, a round.
        skipped: contender -> why it was not measured.
    """

    rates: Mapping[str, Mapping[int, Sequence[float]]]
    latencies: Mapping[str, Mapping[int, Sequence[float]]]
    skipped: Mapping[str, str]

    def rate(self, name: str, batch: int) -> float:
        """The median rate."""
        return statistics.median(self.rates[name][batch])

    def ratio(self, name: str, other: str, batch: int) -> float:
        """How many times faster ``name`` is than ``other``: the median of the rounds' ratios."""
        pairs = zip(self.rates[name][batch], self.rates[other][batch], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def compare(
    contenders: Sequence[Contender],
    reference: Callable[[int], np.ndarray],
    batches: Sequence[int],
    *,
    rounds: int,
    seconds: float,
    atol: float,
    log: Log,
    beside: Mapping[str, Measure] | None = None,
) -> Result:
    """Check and measure contenders that have a process each.

    Args:
        contenders: who takes part.
        reference: the right output of a batch size.
        batches: items a call.
        rounds: how often each is visited at each batch size.
        seconds: how long a visit is.
        atol: how far an output may be from the reference; a contender beyond it is not measured.
        log: gets a line of progress now and then.
        beside: what else is measured in every round, in this process, by its name.
    """
    skipped: dict[str, str] = {}
    processes: list[_Process] = []
    try:
        for contender in contenders:
            log(f"starting {contender.name}")
            process = _Process(contender)
            processes.append(process)
            try:
                process.start()
                for batch in batches:
                    check_output(process.output(batch), reference(batch), batch, contender.atol or atol)
            except ContenderError as error:
                skipped[contender.name] = str(error)
                log(f"{contender.name}: {error}")
        racing = {process.name: process.measure for process in processes if process.name not in skipped}
        result = race({**racing, **(beside or {})}, batches, rounds=rounds, seconds=seconds, log=log)
    finally:
        for process in processes:
            process.close()
    return dataclasses.replace(result, skipped=skipped)


def race(
    contenders: Mapping[str, Measure],
    batches: Sequence[int],
    *,
    rounds: int,
    seconds: float,
    log: Log,
    items: int | None = None,
) -> Result:
    """Measure contenders in interleaved rounds.

    Args:
        contenders: by name.
        batches, rounds, seconds, log: see `compare`.
        items: how many a call does; the batch size if not given.
    """
    names = list(contenders)
    rates: dict[str, dict[int, list[float]]] = {name: {batch: [] for batch in batches} for name in names}
    latencies: dict[str, dict[int, list[float]]] = {name: {batch: [] for batch in batches} for name in names}
    for number in range(rounds):
        log(f"round {number + 1} of {rounds}")
        # Everyone gets to go first: the first after a pause may find a cooler or a sleepier processor.
        turn = number % len(names) if names else 0
        for batch in batches:
            for name in names[turn:] + names[:turn]:
                times = contenders[name](batch, seconds)
                rates[name][batch].append((items or batch) * len(times) / sum(times))
                latencies[name][batch].append(statistics.median(times))
    return Result(rates, latencies, {})


def check_output(found: np.ndarray, expected: np.ndarray, batch: int, atol: float) -> None:
    """Raise `ContenderError` if an output at a batch size is not what it must be."""
    if found.shape != expected.shape:
        raise ContenderError(f"wrong output at batch {batch}: expected shape {expected.shape}, found {found.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= atol:
        raise ContenderError(f"wrong output at batch {batch}: off by {difference:.2g}, more than {atol:.0e}")


def legend(ours: str) -> str:
    """What a `table` holds, as a line of text."""
    return f"median over interleaved rounds, half the spread, and in brackets how many times faster {ours} is"


def table(result: Result, batches: Sequence[int], ours: str, column: str = "batch {}") -> str:
    """Rates in items a second, and how many times faster ``ours`` is, as lines of text; ``column`` heads a batch."""
    header = f"{'':36}" + "".join(f"{column.format(batch):>24}" for batch in batches)
    lines = [header]
    for name in result.rates:
        cells = []
        for batch in batches:
            rates = result.rates[name][batch]
            spread = (max(rates) - min(rates)) / 2 / statistics.median(rates)
            cell = f"{result.rate(name, batch):,.0f} +-{spread:.0%}"
            ratio = f" ({result.ratio(ours, name, batch):.2f}x)" if ours in result.rates and name != ours else " " * 8
            cells.append(f"{cell + ratio:>24}")
        lines.append(f"{name:36}" + "".join(cells))
    lines += [f"{name:36}skipped: {reason}" for name, reason in result.skipped.items()]
    return "\n".join(lines)

"""Compare the same model in Python, Node.js, a browser, OpenVINO, the reference evaluator and C++."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cvae_runtime
import cvae_runtime.bundle

from ._harness import Rounds, check_output, entry_of, race
from ._notebook import BUNDLE
from ._process import Contender, ContenderError, chosen
from ._progress import Progress
from ._result import Comparison, Entry, Kind, Point
from ._rows import Row, report
from .embedded._agreement import Agreement, bits, bundles_of, shares
from .embedded._prepare import prepare
from .embedded._program import Program
from .embedded._runtimes import OURS, Runtime, runtimes

OPTIONS = ("peers", "batch", "seconds")

ATOL = 1e-4  # for images


def run(
    *,
    quick: bool,
    progress: Progress,
    peers: Sequence[str] | None = None,
    batch: Sequence[int] | None = None,
    seconds: float | None = None,
    asked: Sequence[Runtime] | None = None,
) -> Iterator[Comparison | str]:
    """Yield comparisons of agreement, cold start, rate and size, and a table with a row for each runtime.

    Args:
        quick, progress, peers, batch, seconds: see `_cli`.
        asked: the runtimes to measure; by default `runtimes`.
    """
    batches = tuple(batch or (1, 64))
    rounds = Rounds(2, seconds or 0.3) if quick else Rounds(7, seconds or 1.0)
    racing = [r for r in asked or runtimes() if r.name == OURS or chosen(r.name, peers)]
    contenders = {
        runtime.name: Contender(runtime.name, "", kind=runtime.kind, device=runtime.device) for runtime in racing
    }
    out: dict[str, ContenderError] = {}
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        bundle = prepare(folder, max(batches))
        opened: dict[str, tuple[Program, Agreement, int]] = {}
        progress.stage("opening", len(racing))
        for runtime in racing:
            progress.step(runtime.name)
            try:
                program = runtime.open(contenders[runtime.name], folder)
                stack.callback(program.close)
                found = _checked(program, bundle, _batches(runtime, batches))
                opened[runtime.name] = program, found, program.size()
            except ContenderError as error:
                out[runtime.name] = error
                progress.note(f"{runtime.name}: {error.status}: {error}")
        colds = race(
            {name: partial(_cold, program) for name, (program, *_) in opened.items()},
            *((1,), rounds, progress, "cold start", out),
        )
        rates: dict[str, dict[int, Sequence[float]]] = {name: {} for name in colds}
        for size in batches:
            able = [r.name for r in racing if r.name not in out and size in _batches(r, batches)]
            times = race(
                {n: opened[n][0].measure for n in able}, (size,), rounds, progress, f"decoding, batch {size}", out
            )
            for name, by_batch in times.items():
                rates[name][size] = [size * len(calls) / sum(calls) for calls in by_batch[size]]
        rows = [
            Row(name, found, program.threads, program.about, [t for (t,) in colds[name][1]], rates[name], size)
            for name, (program, found, size) in opened.items()
            if name not in out
        ]
    yield from comparisons(rows, contenders, out)
    yield report(rows, {name: f"{error.status}: {error}" for name, error in out.items()})


def comparisons(
    rows: Sequence[Row], contenders: Mapping[str, Contender], out: Mapping[str, ContenderError]
) -> Iterator[Comparison]:
    """Convert the columns of the rows to comparisons."""

    def entries(points: Callable[[Row], Sequence[Point]], kind: Kind | None = None) -> tuple[Entry, ...]:
        there = {row.name: points(row) for row in rows}
        return tuple(
            entry_of(dataclasses.replace(contender, kind=kind or contender.kind), there.get(name, ()), out.get(name))
            for name, contender in contenders.items()
        )

    def agreement(row: Row) -> Sequence[Point]:
        return [
            Point(
                ", ".join([name, *Path(file).stem.split("_")[1:]]), (bits(share),)
            )  # "probs, cpu" of decoder_cpu.onnx
            for file, outputs in row.agreement.differences.items()
            for name, share in outputs.items()
        ]

    yield Comparison(
        *("agreement with the golden outputs", "golden vectors", "bits of 24", "higher", "output"),
        *(entries(agreement, kind="ours"), OURS, 0.1),
    )
    yield Comparison(
        *("cold start to the first image", "start", "ms", "lower", "moment"),
        *(entries(lambda row: [Point("first image", tuple(1e3 * second for second in row.cold))]), OURS, 0.1),
    )
    yield Comparison(
        *("decoding where it is embedded", "offline", "images/s", "higher", "batch"),
        *(entries(lambda row: [Point(b, tuple(rate)) for b, rate in row.rates.items()]), OURS, 0.05),
    )
    yield Comparison(
        *("size of what an app ships", "installation", "MB", "lower", "place"),
        *(entries(lambda row: [Point("on the disk", (row.size / 1e6,))]), OURS, 0.01),
    )


def _checked(program: Program, bundle: cvae_runtime.Bundle, batches: Sequence[int]) -> Agreement:
    """Differences of a program's outputs as shares of the golden values; raises `ContenderError` for wrong ones."""
    golden = cvae_runtime.bundle.parse_golden(bundle.files[bundle.manifest.golden.file], bundle.manifest.golden.file)
    found = program.agreement(golden, bundles_of(bundle))
    checked = dataclasses.replace(found, differences=shares(found, golden))
    with cvae_runtime.load(BUNDLE, provider="cpu", threads=1) as model:
        check_output(program.cold().image, model.generate(1, seed=0).ravel(), 1, ATOL)
        for batch in batches:
            check_output(program.decode(batch), model.generate(batch, seed=1).ravel(), batch, ATOL)
    return checked


def _cold(program: Program, _batch: int, _seconds: float) -> Sequence[float]:
    return [program.cold().seconds]


def _batches(runtime: Runtime, batches: Sequence[int]) -> Sequence[int]:
    return [batch for batch in batches if runtime.most is None or batch <= runtime.most]

"""Compare the graphs of a bundle on the CPU: portable, shaped for the CPU, and in fewer bits.

All graphs are sessions of one ONNX Runtime in this process, called as in cvae_runtime: sessions have one thread, and
several threads run micro-batches of them.
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import cvae_runtime
import cvae_runtime.bundle
import cvae_runtime.system
from cvae_runtime._engine.scheduler import Scheduler
from cvae_runtime.sessions import open_session

from ._harness import Race, Rounds, check_output, race
from ._notebook import BUNDLE
from ._process import Contender, ContenderError
from ._profile import profile, profile_table
from ._progress import Progress
from ._result import Comparison
from ._worker import measure

OPTIONS = ("batch", "threads", "seconds")

ROLES = ("decoder", "encoder")
MICRO_BATCHES = (1, 8, 16, 32)
IMAGES = 256  # per call
PROFILED_BATCH = 8
ATOL = 1e-4

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A graph to measure: its name in the table, its entry in the manifest, and the ONNX file."""

    name: str
    info: cvae_runtime.bundle.GraphInfo
    data: bytes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument(
        "--bundle",
        dest="bundles",
        type=Path,
        action="append",
        metavar="DIR",
        help="a bundle, by default the package's; if repeated, all are compared with the portable graph of the first",
    )
    parser.add_argument("--profile", dest="profiled", action="store_true", help="print the time of each node")


def candidates(bundles: Sequence[cvae_runtime.Bundle], role: str) -> list[Candidate]:
    """All graphs of a role, starting with the portable float32 graph of the first bundle."""
    return [
        Candidate(
            f"{bundle.path.name}/{graph.file}" if len(bundles) > 1 else graph.file, graph, bundle.files[graph.file]
        )
        for bundle in bundles
        for graph in sorted(bundle.manifest.graphs, key=lambda g: (g.target, g.precision) != ("portable", "float32"))
        if graph.role == role
    ]


def inputs(bundle: cvae_runtime.Bundle, role: str) -> Arrays:
    """Inputs: latents of the prior for a decoder, their decoded images for an encoder."""
    if role == "decoder":
        return {"z": cvae_runtime.prior_latents(0, 0, IMAGES, bundle.manifest.model.latent_dim)}
    with cvae_runtime.load(bundle.path, provider="cpu") as model:
        return {"images": cvae_runtime.to_uint8(model.generate(IMAGES))}


def run_candidate(candidate: Candidate, arrays: Arrays, scheduler: Scheduler) -> Callable[[int], Arrays]:
    """Open a graph and return a function that runs it on all inputs in micro-batches of a given size."""
    session = open_session(candidate.data)

    def call(size: int) -> Arrays:
        found = {t.name: np.empty((IMAGES, *t.shape[1:]), t.dtype) for t in candidate.info.outputs}

        def work(start: int, stop: int) -> None:
            parts = session.run(list(found), {name: array[start:stop] for name, array in arrays.items()})
            for array, part in zip(found.values(), parts, strict=True):
                array[start:stop] = part

        scheduler.run(IMAGES, size, work)
        return found

    return call


def check(candidate: Candidate, found: Arrays, expected: Arrays, batch: int) -> None:
    """Raise `ContenderError` if outputs differ by more than rounding and twice the difference in the manifest."""
    for name, array in expected.items():
        atol = max(ATOL, 2 * candidate.info.verified.max_abs_difference[name])
        check_output(found[name], array, batch, atol)


def compare(
    graphs: Sequence[Candidate],
    arrays: Arrays,
    threads: int,
    micro_batches: Sequence[int],
    rounds: Rounds,
    progress: Progress,
) -> Comparison:
    """Check and measure graphs of one role; the first is the reference and the peer of the others."""
    role = graphs[0].info.role
    calls: dict[str, Callable[[int], Arrays]] = {}
    out: dict[str, ContenderError] = {}
    with contextlib.closing(Scheduler(threads)) as scheduler:
        expected = run_candidate(graphs[0], arrays, scheduler)(IMAGES)
        for candidate in graphs:
            try:
                call = run_candidate(candidate, arrays, scheduler)
                for batch in micro_batches:
                    check(candidate, call(batch), expected, batch)
                calls[candidate.name] = call
            except ContenderError as error:
                out[candidate.name] = error
            except cvae_runtime.BundleError as error:
                out[candidate.name] = ContenderError("failed", str(error))

        def measured(name: str, batch: int, seconds: float) -> Sequence[float]:
            return measure(partial(calls[name], batch), seconds)

        name = _name(role, threads)
        racing = {graph: partial(measured, graph) for graph in calls}
        times = race(racing, micro_batches, rounds, progress, name)
    # Every call computes all images, whatever the micro-batch.
    contenders = [
        Contender(
            *(candidate.name, ""),
            kind="ours" if number or len(graphs) == 1 else "peer",
            precision=candidate.info.precision,
            items={name: IMAGES},
        )
        for number, candidate in enumerate(graphs)
    ]
    entries = Race(name, contenders, times, out).offline()
    ours = next((g for g in graphs if (g.info.target, g.info.precision) == ("cpu", "float32")), graphs[-1])
    return Comparison(name, "offline", "images/s", "higher", "micro-batch", entries, ours.name, negligible=0.05)


def run(
    *,
    quick: bool,
    progress: Progress,
    batch: Sequence[int] | None = None,
    threads: Sequence[int] | None = None,
    seconds: float | None = None,
    bundles: Sequence[Path] | None = None,
    profiled: bool = False,
) -> Iterator[Comparison | str]:
    """Yield a comparison for each role and number of threads, and profiles as text."""
    rounds, calls = (Rounds(3, seconds or 0.1), 20) if quick else (Rounds(9, seconds or 0.5), 200)
    micro_batches = tuple(batch or MICRO_BATCHES)
    threads = threads or sorted({1, cvae_runtime.system.allowed_cores()})
    opened = [cvae_runtime.read_bundle(path) for path in bundles or (BUNDLE,)]
    every = {role: candidates(opened, role) for role in ROLES}
    for role, graphs in every.items():
        arrays = inputs(opened[0], role)
        for count in threads:
            comparison = compare(graphs, arrays, count, micro_batches, rounds, progress)
            yield comparison
        if profiled:
            some = {name: array[:PROFILED_BATCH] for name, array in arrays.items()}
            for graph in graphs:
                if comparison.entry(graph.name):
                    yield profile_table(graph.name, profile(graph.data, some, calls))


def _name(role: str, threads: int) -> str:
    return f"{role}, {threads} thread{'s' if threads > 1 else ''}"

"""How fast are a bundle's graphs on the CPU? Portable ones, those shaped for it and those in fewer bits, side by side.

All are sessions of one ONNX Runtime in this process, called as cvae_runtime calls them: a session of one thread, by as
many threads as are wanted, a micro-batch at a time.
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import cvae_runtime
from cvae_runtime._providers import open_sessions
from cvae_runtime._scheduler import Scheduler

from ._harness import ContenderError, Log, Result, check_output, legend, race, table
from ._profile import profile, profile_table
from ._worker import measure

QUESTION = "decoding and encoding, images a second"
OURS = "the portable graph"
LEGEND = legend(OURS)
ROLES = ("decoder", "encoder")
THREADS = (1, 2)
MICRO_BATCHES = (1, 8, 16, 32)
IMAGES = 256  # a call's
PROFILED_BATCH = 8
ATOL = 1e-4

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A graph that takes part: its name in the table, what its manifest says of it, and the ONNX file."""

    name: str
    info: cvae_runtime.GraphInfo
    data: bytes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only this question is asked with."""
    parser.add_argument(
        "--bundle",
        dest="bundles",
        type=Path,
        action="append",
        metavar="DIR",
        help="whose graphs, the package's if not given; several are compared with the first one's portable graph",
    )
    parser.add_argument("--profile", dest="profiled", action="store_true", help="tell each graph's time node by node")


def candidates(bundles: Sequence[cvae_runtime.Bundle], role: str) -> list[Candidate]:
    """All graphs of a role; the first bundle's portable float32 one comes first."""
    return [
        Candidate(
            f"{bundle.path.name}/{graph.file}" if len(bundles) > 1 else graph.file, graph, bundle.files[graph.file]
        )
        for bundle in bundles
        for graph in sorted(bundle.manifest.graphs, key=lambda g: (g.target, g.precision) != ("portable", "float32"))
        if graph.role == role
    ]


def inputs(bundle: cvae_runtime.Bundle, role: str) -> Arrays:
    """Latents of the prior for a decoder, the pictures that they are decoded to for an encoder."""
    if role == "decoder":
        return {"z": cvae_runtime.prior_latents(0, 0, IMAGES, bundle.manifest.model.latent_dim)}
    with cvae_runtime.load(bundle.path, provider="cpu") as model:
        return {"images": cvae_runtime.to_uint8(model.generate(IMAGES))}


def run_candidate(candidate: Candidate, arrays: Arrays, scheduler: Scheduler) -> Callable[[int], Arrays]:
    """Open a graph: a function that runs it on all inputs, in micro-batches of a size."""
    (session,) = open_sessions(lambda _: [candidate.data], "cpu").sessions

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
    """Raise `ContenderError` if a graph is further from the portable one than by rounding, or by twice what its export saw."""
    for name, array in expected.items():
        atol = max(ATOL, 2 * candidate.info.verified.max_abs_difference[name])
        check_output(found[name], array, batch, atol)


def compare(
    contenders: Mapping[str, Candidate], arrays: Arrays, threads: int, *, rounds: int, seconds: float, log: Log
) -> Result:
    """Check and measure graphs of one role, by their names in the table; the first is what the others are checked against."""
    calls: dict[str, Callable[[int], Arrays]] = {}
    skipped: dict[str, str] = {}
    with contextlib.closing(Scheduler(threads)) as scheduler:
        expected = run_candidate(next(iter(contenders.values())), arrays, scheduler)(IMAGES)
        for name, candidate in contenders.items():
            log(f"checking {name}")
            try:
                call = run_candidate(candidate, arrays, scheduler)
                for batch in MICRO_BATCHES:
                    check(candidate, call(batch), expected, batch)
                calls[name] = call
            except (ContenderError, cvae_runtime.BundleError) as error:
                skipped[name] = str(error)
                log(f"{name}: {error}")

        def measured(name: str, batch: int, seconds: float) -> Sequence[float]:
            return measure(partial(calls[name], batch), seconds)["times"]

        racing = {name: partial(measured, name) for name in calls}
        result = race(racing, MICRO_BATCHES, rounds=rounds, seconds=seconds, log=log, items=IMAGES)
    return dataclasses.replace(result, skipped=skipped)


def run(*, quick: bool, log: Log, bundles: Sequence[Path] | None = None, profiled: bool = False) -> tuple[Result, str]:
    """Measure, and lay the result out as tables, one for each role and number of threads."""
    rounds, seconds, calls = (5, 0.1, 20) if quick else (9, 0.5, 200)
    opened = [cvae_runtime.read_bundle(path) for path in bundles or (None,)]
    total, texts = Result({}, {}, {}), []
    for role in ROLES:
        graphs, arrays = candidates(opened, role), inputs(opened[0], role)
        for threads in THREADS:
            named = {f"{graph.name}, {threads} thread{'s' if threads > 1 else ''}": graph for graph in graphs}
            result = compare(named, arrays, threads, rounds=rounds, seconds=seconds, log=log)
            texts.append(table(result, MICRO_BATCHES, next(iter(named)), column="micro-batch {}"))
            total = Result(
                {**total.rates, **result.rates},
                {**total.latencies, **result.latencies},
                {**total.skipped, **result.skipped},
            )
        if profiled:
            batch = {name: array[:PROFILED_BATCH] for name, array in arrays.items()}
            measured = [graph for name, graph in named.items() if name not in result.skipped]
            texts += [profile_table(graph.name, profile(graph.data, batch, calls)) for graph in measured]
    return total, "\n\n".join(texts)

"""Compare decoding, encoding and reconstruction by cvae_runtime and its peers, with the same weights.

The weights are those of the notebook's network, which all peers can build. The packaged model has a comparison of its
own, with that network.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

import cvae_runtime
import cvae_runtime.system
import cvae_train

from ._ceiling import ceilings
from ._harness import Field, Race, Reference, Rounds, check_output, race
from ._notebook import BUNDLE, RUN
from ._process import Contender, chosen
from ._progress import Progress
from ._result import Comparison, Entry
from ._worker import measure
from .peers import ROLES, inputs

OPTIONS = ("peers", "batch", "threads", "seconds")

OURS = "cvae_runtime"
GENERATE, DECODE = "generate, as grey levels", "decode alone"
BATCHES, QUICK_BATCHES = (1, 4, 16, 64, 256, 1024), (1, 16, 128)
PACKAGED, NOTEBOOK = "packaged model", "notebook's network"
TASKS = (*ROLES, "generation", "packaged")
SCENARIOS = ("offline", "server", "threads")
ATOL = 1e-4
MEAN_ATOL = 0.02  # mean difference in int8 and bfloat16, where single pixels may flip
BOUND = 0.010  # seconds, in the server scenario
SERVED = 64  # maximum of images that a server takes at once

_P = "benchmarks.peers"
PEERS = (
    Contender("TensorFlow, eager", f"{_P}.tensorflow:eager"),
    Contender("TensorFlow, Keras predict", f"{_P}.tensorflow:predict"),
    Contender("TensorFlow, tf.function", f"{_P}.tensorflow:function"),
    Contender("TensorFlow, XLA", f"{_P}.tensorflow:xla"),
    Contender("LiteRT, XNNPACK", f"{_P}.litert:xnnpack"),
    Contender("PyTorch, eager", f"{_P}.torch:eager"),
    Contender("PyTorch, compiled", f"{_P}.torch:compiled"),
    Contender("JAX, jit", f"{_P}.jax:jit"),
    Contender("OpenVINO, LATENCY", f"{_P}.openvino:latency", ("f32",)),
    Contender("OpenVINO, THROUGHPUT", f"{_P}.openvino:throughput", ("f32",)),
    Contender("OpenVINO, queue", f"{_P}.openvino:queue", ("f32",)),
    Contender("OpenVINO, LATENCY, bf16", f"{_P}.openvino:latency", ("bf16",), precision="bf16", mean_atol=MEAN_ATOL),
    Contender("OpenVINO, queue, bf16", f"{_P}.openvino:queue", ("bf16",), precision="bf16", mean_atol=MEAN_ATOL),
    Contender("onnxruntime, default session", f"{_P}.onnxruntime:default"),
    Contender("onnxruntime, CUDA", f"{_P}.onnxruntime:cuda", device="cuda", atol=1e-2),
    Contender("onnxruntime, TensorRT", f"{_P}.onnxruntime:tensorrt", device="cuda", atol=1e-2),
)
OWN = (
    Contender(OURS, f"{_P}.ours:float32", kind="ours"),
    Contender(
        *("cvae_runtime, int8", f"{_P}.ours:int8"),
        kind="ours",
        precision="int8",
        mean_atol=MEAN_ATOL,
        tasks=("decoding", "reconstruction"),  # the encoder has no int8 graph
    ),
    Contender("cvae_runtime, CUDA", f"{_P}.ours:cuda", kind="ours", device="cuda", atol=1e-2),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this question."""
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument(
        "--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS)
    )


def prepare(folder: str, batches: Sequence[int]) -> None:
    """Write the peers' inputs and graphs."""
    command = [sys.executable, "-m", "benchmarks.peers._prepare", folder, *map(str, batches)]
    prepared = subprocess.run(command, capture_output=True, text=True, check=False)
    if prepared.returncode:
        raise SystemExit(f"the peers' inputs and graphs cannot be made:\n{prepared.stderr}")


def contenders(folder: str, words: Sequence[str] | None = None) -> list[Contender]:
    """The upper bounds, cvae_runtime, and the peers whose names contain a word."""
    peers = [peer for peer in PEERS if chosen(peer.name, words)]
    there = [dataclasses.replace(each, arguments=(folder, *each.arguments)) for each in (*peers, *OWN)]
    return [*there, *ceilings(cvae_train.RunFolder(RUN).read_config()[0].model)]


def reference(task: str, folder: str, most: int) -> Reference:
    """The expected outputs, computed image by image on one thread; mean and logvar are concatenated."""
    with cvae_runtime.load(BUNDLE, provider="cpu", threads=1) as model:

        def encode(images: np.ndarray) -> np.ndarray:
            posterior = model.encode(images)
            return np.concatenate([posterior.mean, posterior.logvar], axis=1)

        call = {"decoding": model.decode, "encoding": encode, "reconstruction": model.reconstruct}[task]
        expected = np.concatenate([call(x[np.newaxis]) for x in inputs(task, folder, most)])
    return lambda batch: expected[:batch]


def offline(found: Race) -> Comparison:
    """Rates, by batch size."""
    return Comparison(
        f"{found.task}, offline", "offline", "images/s", "higher", "batch", found.offline(), OURS, negligible=0.05
    )


def single_stream(found: Race) -> Comparison:
    """Latencies of single images, one after another."""
    name = f"{found.task}, single-stream"
    return Comparison(name, "single-stream", "ms", "lower", "percentile", found.single_stream(), OURS, negligible=0.05)


def generation(batches: Sequence[int], rounds: Rounds, progress: Progress) -> Comparison:
    """Compare the work of ``cvae-generate``, from random numbers to bytes, with decoding only, in this process."""
    with cvae_runtime.load(BUNDLE, provider="cpu") as model:

        def generate(batch: int) -> np.ndarray:
            return model.generate(batch, dtype="uint8")

        latents = cvae_runtime.prior_latents(0, 0, max(batches), model.latent_dim)
        for batch in batches:
            check_output(generate(batch) / 255, model.decode(latents[:batch]), batch, 0.5 / 255 + ATOL)
        calls = {GENERATE: generate, DECODE: lambda batch: model.decode(latents[:batch])}

        def racing(name: str, batch: int, seconds: float) -> Sequence[float]:
            return measure(partial(calls[name], batch), seconds)

        times = race({name: partial(racing, name) for name in calls}, batches, rounds, progress, "generation")
    both = [Contender(GENERATE, "", kind="ours"), Contender(DECODE, "", kind="ceiling")]
    entries = Race("generation", both, times, {}).offline()
    return Comparison("generation", "offline", "images/s", "higher", "batch", entries, GENERATE, negligible=0.05)


def packaged(batches: Sequence[int], rounds: Rounds, progress: Progress) -> Iterator[Comparison]:
    """Compare the packaged model with the notebook's network at each task, in this process."""
    with (
        cvae_runtime.load(provider="cpu") as ours,
        cvae_runtime.load(BUNDLE, provider="cpu") as notebook,
    ):
        images = cvae_runtime.to_uint8(ours.generate(max(batches), seed=0))
        models = {PACKAGED: ours, NOTEBOOK: notebook}
        latents = {
            name: cvae_runtime.prior_latents(0, 0, max(batches), each.latent_dim) for name, each in models.items()
        }

        def racing(task: str, name: str, batch: int, seconds: float) -> Sequence[float]:
            model = models[name]
            calls: Mapping[str, Callable[[], object]] = {
                "decoding": lambda: model.decode(latents[name][:batch]),
                "encoding": lambda: model.encode(images[:batch]),
                "reconstruction": lambda: model.reconstruct(images[:batch]),
                "generation": lambda: model.generate(batch),
            }
            return measure(calls[task], seconds)

        contenders = [Contender(PACKAGED, "", kind="ours"), Contender(NOTEBOOK, "", kind="peer")]
        for task in (*ROLES, "generation"):
            what = f"{task}, packaged model"
            times = race({name: partial(racing, task, name) for name in models}, batches, rounds, progress, what)
            entries = Race(what, contenders, times, {}).offline()
            yield Comparison(what, "offline", "images/s", "higher", "batch", entries, PACKAGED, negligible=0.05)


def by_threads(found: Mapping[int, Race], batch: int) -> Comparison:
    """Rates of one batch size, by number of cores; contenders that failed on some keep their other points."""
    entries: dict[str, list[Entry]] = {}
    for cores, race_there in found.items():
        for entry in race_there.offline():
            points = tuple(dataclasses.replace(point, at=cores) for point in entry.points if point.at == batch)
            entries.setdefault(entry.name, []).append(dataclasses.replace(entry, points=points))
    merged = tuple(
        dataclasses.replace(
            next((entry for entry in each if entry.points), each[-1]),
            points=tuple(point for entry in each for point in entry.points),
        )
        for each in entries.values()
    )
    name = f"decoding, batch {batch}, by threads"
    return Comparison(name, "offline", "images/s", "higher", "threads", merged, OURS, negligible=0.05)


def run(
    *,
    quick: bool,
    progress: Progress,
    peers: Sequence[str] | None = None,
    batch: Sequence[int] | None = None,
    threads: Sequence[int] | None = None,
    seconds: float | None = None,
    tasks: Sequence[str] = TASKS,
    scenarios: Sequence[str] = SCENARIOS,
) -> Iterator[Comparison]:
    """Yield a comparison for each task and scenario."""
    rounds = Rounds(3, seconds or 0.1) if quick else Rounds(7, seconds or 0.35)
    batches = tuple(batch or (QUICK_BATCHES if quick else BATCHES))
    cores = sorted(threads or _doubling(cvae_runtime.system.allowed_cores()))
    raced = [task for task in tasks if task in ROLES]
    served, widest = tuple(size for size in batches if size <= SERVED), max([b for b in batches if b <= 256] or batches)
    serving = "server" in scenarios and "decoding" in raced and 1 in batches
    fewer = cores[:-1] if "threads" in scenarios and "decoding" in raced else []
    with tempfile.TemporaryDirectory() as folder:
        taking_part = contenders(folder, peers)
        progress.stage("graphs for the peers", 1)
        prepare(folder, batches)
        by_cores = {}
        if raced:
            # Only some systems can restrict a process to some cores; with all cores this is not needed.
            most = None if cores[-1] == cvae_runtime.system.allowed_cores() else cores[-1]
            with Field(taking_part, progress, most) as field:
                for task in raced:
                    found = field.offline(task, batches, reference(task, folder, max(batches)), ATOL, rounds)
                    yield offline(found)
                    if 1 in batches:
                        yield single_stream(found)
                    if task == "decoding":
                        by_cores[cores[-1]] = found
                        if serving:
                            yield server(field, found, served, quick=quick)
        for count in fewer:
            with Field(taking_part, progress, count, label=_threads(count)) as field:
                expected = reference("decoding", folder, widest)
                by_cores[count] = field.offline("decoding", (widest,), expected, ATOL, rounds)
        if fewer:
            yield by_threads({count: by_cores[count] for count in cores}, widest)
    if "generation" in tasks:
        yield generation(batches, rounds, progress)
    if "packaged" in tasks:
        yield from packaged(batches, rounds, progress)


def server(field: Field, found: Race, batches: Sequence[int], *, quick: bool) -> Comparison:
    """The largest rates of randomly arriving images whose 99th percentile stays within the bound."""
    entries = field.server(
        "decoding", batches, found, BOUND, Rounds(2, 0.25) if quick else Rounds(5, 1.0), 5 if quick else 7
    )
    name = f"decoding, server: p99 within {1e3 * BOUND:g} ms"
    return Comparison(name, "server", "images/s", "higher", "bound, ms", entries, OURS, negligible=0.10)


def _doubling(most: int) -> list[int]:
    return [*(1 << n for n in range(most.bit_length()) if 1 << n < most), most]


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}: "

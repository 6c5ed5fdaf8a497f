"""How fast are images decoded, encoded and reconstructed? cvae_runtime and its peers, with the same weights."""

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import cvae_runtime
import cvae_train

from ._ceiling import ceiling, multiply_adds
from ._harness import Contender, Log, Result, check_output, compare, legend, race, table
from ._plot import draw_rates
from ._worker import measure
from .peers import ASSETS, ROLES, inputs

QUESTION = "inference, images a second"
OURS, INT8 = "cvae_runtime", "cvae_runtime, int8"
LEGEND = legend(OURS)
CEILING = "the ceiling: matrix products"
GENERATE, DECODE = "generate, as grey levels", "decode alone"
BATCHES = (1, 16, 64, 256)
TASKS = (*ROLES, "generation")
ATOL = 1e-4

PEERS = {
    "TensorFlow, tf.function": "tensorflow:function",
    "TensorFlow, XLA": "tensorflow:xla",
    "PyTorch, eager": "torch:eager",
    "PyTorch, compiled": "torch:compiled",
    "JAX, jit": "jax:jit",
    "OpenVINO, LATENCY": "openvino:latency",
    "OpenVINO, THROUGHPUT": "openvino:throughput",
    "onnxruntime, default session": "onnxruntime:default",
    OURS: "ours:float32",
    INT8: "ours:int8",
}

# In the plot a framework is a hue; of cvae_runtime's the darker one is float32.
COLOURS = {
    "TensorFlow, tf.function": "#fdae6b",
    "TensorFlow, XLA": "#e6550d",
    "PyTorch, eager": "#f4a6c0",
    "PyTorch, compiled": "#c51b7d",
    "JAX, jit": "#8c6bb1",
    "OpenVINO, LATENCY": "#a1d99b",
    "OpenVINO, THROUGHPUT": "#31a354",
    "onnxruntime, default session": "#969696",
    OURS: "#08519c",
    INT8: "#6baed6",
    CEILING: "#000000",
}


@dataclasses.dataclass(frozen=True)
class Findings:
    """Results by task."""

    results: Mapping[str, Result]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {task: result.to_json() for task, result in self.results.items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only this question is asked with."""
    parser.add_argument("--only", nargs="+", choices=TASKS, default=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument(
        "--peers", nargs="+", metavar="WORD", help="those alone whose names hold one of these: JAX OpenVINO"
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the rates of the tasks with peers there")


def prepare(folder: str) -> None:
    """Make what the peers find in their folder."""
    command = [sys.executable, "-m", "benchmarks.peers._prepare", folder]
    prepared = subprocess.run(command, capture_output=True, text=True, check=False)
    if prepared.returncode:
        raise SystemExit(f"the peers' inputs and graphs cannot be made:\n{prepared.stderr}")


def contenders(task: str, folder: str, words: Sequence[str] | None = None) -> list[Contender]:
    """Who takes part in a task: cvae_runtime, and the peers whose names hold one of the words."""
    found = []
    for name, factory in PEERS.items():
        if name == INT8 and (atol := _int8_atol(task)) is None:
            continue
        if words is None or name in (OURS, INT8) or any(word.lower() in name.lower() for word in words):
            tolerance = atol if name == INT8 else None
            found.append(Contender(name, f"benchmarks.peers.{factory}", (task, folder), tolerance))
    return found


def _int8_atol(task: str) -> float | None:
    """Twice what the export saw in 8 bits; None where the packaged bundle has no such graph for a task."""
    roles = ("encoder", "decoder") if task == "reconstruction" else (ROLES[task],)
    seen = [
        max(graph.verified.max_abs_difference.values())
        for graph in cvae_runtime.read_bundle().manifest.graphs
        if graph.role in roles and graph.precision == "int8"
    ]
    return 2 * max(seen) if seen else None


def reference(task: str, folder: str) -> Callable[[int], np.ndarray]:
    """What is right: image by image, on one thread; an encoder's mean and logvar side by side."""
    with cvae_runtime.load(provider="cpu", threads=1) as model:

        def encode(images: np.ndarray) -> np.ndarray:
            posterior = model.encode(images)
            return np.concatenate([posterior.mean, posterior.logvar], axis=1)

        call = {"decoding": model.decode, "encoding": encode, "reconstruction": model.reconstruct}[task]
        expected = np.concatenate([call(x[np.newaxis]) for x in inputs(task, folder, max(BATCHES))])
    return lambda batch: expected[:batch]


def generation(*, rounds: int, seconds: float, log: Log) -> Result:
    """What ``cvae-generate`` computes, random numbers to bytes, and decoding alone: in turn, in this process."""
    with cvae_runtime.load(provider="cpu") as model:

        def generate(batch: int) -> np.ndarray:
            return model.generate(batch, dtype="uint8")

        latents = cvae_runtime.prior_latents(0, 0, max(BATCHES), model.latent_dim)
        for batch in BATCHES:
            check_output(generate(batch) / 255, model.decode(latents[:batch]), batch, 0.5 / 255 + ATOL)

        def racing(call: Callable[[int], object], batch: int, seconds: float) -> Sequence[float]:
            return measure(partial(call, batch), seconds)["times"]

        calls = {GENERATE: generate, DECODE: lambda batch: model.decode(latents[:batch])}
        named = {name: partial(racing, call) for name, call in calls.items()}
        return race(named, BATCHES, rounds=rounds, seconds=seconds, log=log)


def verdicts(task: str, result: Result, operations: int) -> list[str]:
    """What a result says of the float32 runtime, the one in 8 bits, and the ceiling, a line a batch size."""
    if task == "generation":
        return [
            f"generation, batch {batch}: {result.ratio(GENERATE, DECODE, batch):.2f} of the rate of decoding alone"
            for batch in BATCHES
        ]
    peers = [name for name in result.rates if name not in (OURS, INT8, CEILING)]
    lines = []
    if CEILING in result.rates:
        rate = result.rate(CEILING, BATCHES[-1])
        lines.append(
            f"{task}, the ceiling: {operations:,} multiply-adds an image at {2e-9 * rate * operations:,.0f} Gflop/s "
            f"are {rate:,.0f} images a second"
        )
    for batch in BATCHES:
        parts = []
        if peers:
            best = max(peers, key=lambda name: result.rate(name, batch))
            parts.append(f"{result.ratio(OURS, best, batch):.2f}x the best float32 peer, {best}")
            if batch == 1:
                mine, other = (1e6 * statistics.median(result.latencies[name][batch]) for name in (OURS, best))
                parts[-1] += f" ({mine:.0f} us a call, {other:.0f})"
            if INT8 in result.rates:
                parts.append(f"int8 {result.ratio(INT8, best, batch):.2f}x")
        if CEILING in result.rates:
            parts.append(f"{result.ratio(OURS, CEILING, batch):.0%} of the ceiling")
        lines.append(f"{task}, batch {batch}: {'; '.join(parts)}")
    return lines


def run(
    *, quick: bool, log: Log, only: Sequence[str] = TASKS, peers: Sequence[str] | None = None, plot: Path | None = None
) -> tuple[Findings, str]:
    """Measure, and lay the result out as a table a task, and what the tables say."""
    rounds, seconds = (3, 0.1) if quick else (7, 0.35)
    operations = multiply_adds(cvae_train.RunFolder(ASSETS).read_config()[0].model)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        log("exporting plain graphs")
        prepare(folder)
        for task in only:
            log(task)
            if task == "generation":
                results[task] = generation(rounds=rounds, seconds=seconds, log=log)
                continue
            results[task] = compare(
                contenders(task, folder, peers),
                reference(task, folder),
                BATCHES,
                rounds=rounds,
                seconds=seconds,
                atol=ATOL,
                log=log,
                beside={CEILING: ceiling(operations[task])},
            )
    texts = [
        f"{task}\n{table(result, BATCHES, GENERATE if task == 'generation' else OURS)}"
        for task, result in results.items()
    ]
    lines = [line for task, result in results.items() for line in verdicts(task, result, operations.get(task, 0))]
    raced = {task: result for task, result in results.items() if task in ROLES}
    if plot and raced:
        draw_rates(raced, BATCHES, COLOURS, (CEILING,), plot)
    return Findings(results), "\n\n".join([*texts, "\n".join(lines)])

"""Compare exported graphs with the trained model: their outputs, and the test ELBO in nats per image.

A graph runs in all ways in which users may run it: on the CPU and on CUDA if it works, at every optimization level of
ONNX Runtime, and at several batch sizes.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cvae_runtime import ParityError, ProviderError, cli
from cvae_runtime.bundle import Precision, Verified
from cvae_runtime.sessions import open_session
from cvae_runtime.system import allowed_cores

from ._config import ATOL
from ._graph import Graph
from ._reference import Expected, Run

BATCHES = (1, 7, 256)


@dataclasses.dataclass(frozen=True)
class Budget:
    """Tolerances of a graph.

    Attributes:
        atol: limit of the absolute difference of an output whose values are at most 1. For larger outputs it is
            multiplied by their largest absolute value. None: no limit.
        elbo: limit of the change of the test ELBO, in nats per image. If ``atol`` is not None, three standard errors of
            the change are added, and the limit is at least 1e-5 of the ELBO. The reason is that the last bit of a
            confidently wrong probability changes an image's ELBO by tenths of a nat, and a few test images do not
            average this out.
    """

    atol: float | None
    elbo: float


BUDGETS: Mapping[Precision, Budget] = {
    "float32": Budget(ATOL, 1e-3),
    "float16": Budget(1e-2, 0.02),
    "int8": Budget(None, 0.1),
}


@dataclasses.dataclass(frozen=True)
class MeanElbo:
    """Mean over the test images of the ELBO or of its change, in nats per image.

    Attributes:
        mean: the mean.
        stderr: standard error of the mean; None for a single image.
        count: number of test images.

    Examples:
        >>> print(cvae_export.MeanElbo.of(np.array([-80.0, -82.0, -81.0])))
        -81.00 +- 0.58 nats per image over 3 images
    """

    mean: float
    stderr: float | None
    count: int

    @classmethod
    def of(cls, elbos: NDArray[np.float64]) -> "MeanElbo":
        """Average the ELBOs of all test images, float64 (N,)."""
        stderr = float(elbos.std(ddof=1) / math.sqrt(len(elbos))) if len(elbos) > 1 else None
        return cls(float(elbos.mean()), stderr, len(elbos))

    def __str__(self) -> str:
        images = "1 image" if self.count == 1 else f"{self.count:,} images"
        return f"{cli.with_error(self.mean, self.stderr)} nats per image over {images}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Comparison of one graph with the trained model.

    Attributes:
        graph: the graph.
        differences: largest absolute difference of each output over all items, providers, optimization levels and
            batch sizes. Rounding error is subtracted, see `Expected.rounding`.
        tolerances: limit of each difference.
        elbo_change: test ELBO with this graph in place of the model's part, minus the model's own, in nats per image.
            Of all providers and levels, the change that is largest in absolute value. None if not measured.
        elbo_tolerance: limit of the absolute value of ``elbo_change``, in nats per image.
        speed_ratio: see `Verified`.

    Examples:
        >>> comparison = cvae_export.compare_bundle("runs/0001", "my-model", quiet=True)[0]
        >>> comparison.graph.file, sorted(comparison.differences)
        ('encoder.onnx', ['logvar', 'mean'])
    """

    graph: Graph
    differences: Mapping[str, float]
    tolerances: Mapping[str, float]
    elbo_change: float | None
    elbo_tolerance: float
    speed_ratio: float | None = None

    def passes(self, output: str) -> bool:
        """Whether an output and the ELBO are within their tolerances; NaN is not."""
        within = self.elbo_change is None or abs(self.elbo_change) <= self.elbo_tolerance
        return self.differences[output] <= self.tolerances[output] and within

    @property
    def all_pass(self) -> bool:
        """Whether all outputs and the ELBO are within their tolerances."""
        return all(self.passes(output) for output in self.differences)

    @property
    def verified(self) -> Verified:
        """The entry of this comparison in the manifest."""
        return Verified(self.differences, self.elbo_change, self.speed_ratio)


def table(comparisons: Sequence[Comparison]) -> str:
    """Format comparisons as a text table, with a line for each output."""
    figures = f"{'largest difference':>20}{'tolerance':>11}{'ELBO change (nats)':>20}{'speed':>8}{'kB':>8}"
    lines = [f"{'graph':26}{'output':16}{figures}"]
    for c in comparisons:
        change = f"{c.elbo_change:+20.6f}" if c.elbo_change is not None else f"{'-':>20}"
        speed = f"{c.speed_ratio:7.2f}x" if c.speed_ratio is not None else f"{'-':>8}"
        for output, difference in c.differences.items():
            tolerance = c.tolerances[output]
            limit = f"{tolerance:11.1e}" if math.isfinite(tolerance) else f"{'-':>11}"
            verdict = "" if c.passes(output) else "  FAILS"
            figures = f"{difference:20.2e}{limit}{change}{speed}{len(c.graph.data) / 1000:8.0f}"
            lines.append(f"{c.graph.file:26}{output:16}{figures}{verdict}")
    return "\n".join(lines)


def rows(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Convert comparisons to JSON values, one object for each output."""
    return [
        {
            "graph": c.graph.file,
            "output": output,
            "difference": difference,
            "tolerance": c.tolerances[output],
            "elbo_change": c.elbo_change,
            "elbo_tolerance": c.elbo_tolerance,
            "speed_ratio": c.speed_ratio,
            "bytes": len(c.graph.data),
            "agrees": c.passes(output),
        }
        for c in comparisons
        for output, difference in c.differences.items()
    ]


def check(comparisons: Sequence[Comparison]) -> None:
    """Raise `ParityError` with the table unless all comparisons are within their tolerances."""
    if not all(comparison.all_pass for comparison in comparisons):
        raise ParityError(
            f"an exported graph differs from the trained model by more than its tolerance "
            f"(ELBO: {comparisons[0].elbo_tolerance:.2g} nats); nothing was written:\n{table(comparisons)}"
        )


def compare(
    graph: Graph, runs: Iterable[Run], expected: Expected, model_elbos: NDArray[np.float64] | None, budget: Budget
) -> Comparison:
    """Compare a graph with the model.

    Args:
        graph: the graph.
        runs: functions that run the graph on each provider and level, from `runs_of`.
        expected: inputs and expected outputs of the graph's role.
        model_elbos: the model's own ELBO of every test image, float64 (N,), in nats; None without test images.
        budget: the tolerances.
    """
    with ThreadPoolExecutor(allowed_cores()) as pool:
        found = list(pool.map(lambda run: _measure(run, expected, model_elbos), runs))
    # np.max and np.argmax find NaN; Python's max may lose it.
    differences = {name: float(np.max([of_run[name] for of_run, _ in found])) for name in expected.outputs}
    changes = [MeanElbo(0.0, 0.0, 0), *(change for _, change in found if change is not None)]
    largest_change = changes[int(np.argmax([abs(change.mean) for change in changes]))]
    # Large outputs have larger tolerances, and so has a large ELBO.
    noise = size = 0.0
    if budget.atol is not None and model_elbos is not None:
        noise, size = 3.0 * (largest_change.stderr or 0.0), abs(float(np.mean(model_elbos)))
    atol = math.inf if budget.atol is None else budget.atol
    largest = {name: max(1.0, float(np.abs(array).max())) for name, array in expected.outputs.items()}
    return Comparison(
        graph,
        differences,
        {name: atol * scale for name, scale in largest.items()},
        None if expected.elbos is None else largest_change.mean,
        max(budget.elbo + noise, ATOL * size),
    )


def _measure(
    run: Run, expected: Expected, model_elbos: NDArray[np.float64] | None
) -> tuple[dict[str, float], MeanElbo | None]:
    """Return the largest difference of each output over all batch sizes, and the change of the ELBO."""
    differences = dict.fromkeys(expected.outputs, 0.0)
    for batch in BATCHES:
        found = expected.run(run, batch)
        for name, array in expected.outputs.items():
            # Converted to float64, since differences of uint8 wrap around.
            difference = np.abs(found[name].astype(np.float64) - array)
            beyond = np.maximum(difference - expected.rounding.get(name, 0.0), 0.0).max()
            differences[name] = float(np.maximum(differences[name], beyond))
    # `found` has the outputs of the last batch size.
    if expected.elbos is None or model_elbos is None:
        return differences, None
    return differences, MeanElbo.of(expected.elbos(found) - model_elbos)


def runs_of(graph: Graph, providers: Sequence[str] = ("cpu", "cuda")) -> Iterator[Run]:
    """Yield a function that runs the graph, for each provider and each optimization level of ONNX Runtime.

    Providers that do not work on this machine are skipped. The default has only the providers that compute in full
    float32.
    """
    for provider in providers:
        if graph.target not in ("portable", provider):
            continue
        for level in onnxruntime.GraphOptimizationLevel.__members__:
            try:
                session = open_session(graph.data, provider, level)
            except ProviderError:
                break
            yield _run(session)


def run_onnx(graph: bytes) -> Run:
    """Return a function that runs a graph, the bytes of an ONNX file, on the CPU at ONNX Runtime's default level."""
    return _run(open_session(graph))


def _run(session: Any) -> Run:
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))

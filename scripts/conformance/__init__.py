"""Compare other ONNX runtimes with a bundle's golden vectors."""

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import Bundle
from cvae_runtime.bundle import GoldenCase, GraphInfo, TensorInfo, parse_golden

from ._reasons import reason
from ._runtimes import RUNTIMES
from ._tools import Arrays, ConvertsOnly, Runtime

__all__ = ["RUNTIMES", "TOLERANCE", "compare", "largest_difference"]

TOLERANCE = 1e-5  # of an output's largest value


def compare(name: str, bundle: Bundle, graph: GraphInfo) -> float:
    """The largest difference of a graph in a runtime of `RUNTIMES`, in a process of its own, since some crash.

    Raises:
        ConvertsOnly: this machine cannot run the converted graph.
        RuntimeError: the runtime fails; the message is a short reason.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_compare, name, bundle, graph).result()
        except BrokenProcessPool as error:
            raise RuntimeError(reason(name, "the process crashes")) from error


def _compare(name: str, bundle: Bundle, graph: GraphInfo) -> float:
    try:
        return largest_difference(RUNTIMES[name], bundle, graph)
    except ConvertsOnly:
        raise
    except Exception as error:  # runtimes raise errors of any type, also of types that cannot be pickled
        raise RuntimeError(reason(name, f"{type(error).__name__}: {error}")) from None


def largest_difference(runtime: Runtime, bundle: Bundle, graph: GraphInfo) -> float:
    """The largest difference of a graph's outputs, relative to its largest value, for all items and the first alone.

    Differences of integers, such as pixels, and of a detector, whose scores subtract large numbers, count only beyond
    the tolerance of the golden vectors.
    """
    golden = parse_golden(bundle.files[bundle.manifest.golden.file], bundle.manifest.golden.file)
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for file in bundle.path.glob(f"{Path(graph.file).stem}.*"):  # for .ort and .tflite, too
            shutil.copy(file, folder)
        run = runtime(Path(folder, graph.file), [tensor.name for tensor in graph.outputs])
        for case in golden.cases:
            if case.file == graph.file:
                for inputs, outputs in _batches(graph, case):
                    found = run(inputs)
                    for name, expected in outputs.items():
                        difference = _difference(name, found[name], expected)
                        steps = graph.role == "detector" or not np.issubdtype(expected.dtype, np.floating)
                        allowed = case.atol if steps else 0.0
                        largest = np.abs(expected.astype(np.float64)).max() or 1.0
                        differences.append(0.0 if difference <= allowed else difference / largest)
    return float(np.max(differences))  # propagates NaN


def _batches(graph: GraphInfo, case: GoldenCase) -> Iterable[tuple[Arrays, Arrays]]:
    """All items of a case, and the first one alone if every input has a batch."""
    for stop in (None, 1) if all("batch" in tensor.shape for tensor in graph.inputs) else (None,):
        yield _part(case.inputs, graph.inputs, stop), _part(case.outputs, graph.outputs, stop)


def _part(arrays: Arrays, tensors: tuple[TensorInfo, ...], stop: int | None) -> Arrays:
    """Items up to ``stop`` along the axis named "batch" in the manifest."""
    return {
        tensor.name: arrays[tensor.name][(..., *(slice(stop if size == "batch" else None) for size in tensor.shape))]
        for tensor in tensors
        if tensor.name in arrays
    }


def _difference(name: str, found: NDArray[np.generic], expected: NDArray[np.generic]) -> float:
    if found.shape != expected.shape:
        raise ValueError(f"{name}: expected the shape {expected.shape}, found {found.shape}")
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())  # uint8 would wrap

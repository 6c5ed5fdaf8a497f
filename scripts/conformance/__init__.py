"""Compare other ONNX runtimes with a bundle's golden vectors."""

import tempfile
from pathlib import Path

import numpy as np

from cvae_runtime import Bundle
from cvae_runtime.bundle import GoldenCase, GraphInfo, TensorInfo

from ._runtimes import RUNTIMES
from ._tools import Arrays, Runtime

__all__ = ["RUNTIMES", "TOLERANCE", "largest_difference"]

TOLERANCE = 1e-5  # of an output's largest value


def largest_difference(runtime: Runtime, bundle: Bundle, graph: GraphInfo, case: GoldenCase) -> float:
    """The largest difference of a graph's outputs, relative to its largest value, for all items and the first alone."""
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, graph.file)
        path.write_bytes(bundle.files[graph.file])
        run = runtime(path, list(case.outputs))
        for stop in (None, 1):
            found = run(_part(case.inputs, graph.inputs, stop))
            for name, expected in _part(case.outputs, graph.outputs, stop).items():
                if found[name].shape != expected.shape:
                    raise ValueError(f"{name}: expected the shape {expected.shape}, found {found[name].shape}")
                difference = np.abs(found[name].astype(np.float64) - expected).max()  # uint8 would wrap
                differences.append(float(difference / np.abs(expected).max()))
    return float(np.max(differences))  # propagates NaN


def _part(arrays: Arrays, tensors: tuple[TensorInfo, ...], stop: int | None) -> Arrays:
    """Items up to ``stop`` along the axis named "batch" in the manifest."""
    return {
        tensor.name: arrays[tensor.name][tuple(slice(stop if size == "batch" else None) for size in tensor.shape)]
        for tensor in tensors
    }

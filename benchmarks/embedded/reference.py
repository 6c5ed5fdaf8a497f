"""The reference evaluator of the package onnx, in NumPy, on the portable graphs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _serve
from ._plain import Graph, PlainRuntime


class Reference(PlainRuntime):
    """See `_serve.Runtime`."""

    distribution = "onnx"
    threads = "NumPy's"

    def __init__(self, folder: Path) -> None:
        import onnx

        super().__init__(folder)
        self.about = f"onnx {onnx.__version__}, decoder.onnx"

    def open(self, path: Path) -> Graph:
        """Open a graph."""
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(path))

        def call(x: np.ndarray) -> Mapping[str, np.ndarray]:
            with np.errstate(over="ignore"):  # its Sigmoid computes both branches
                found = evaluator.run(None, {evaluator.input_names[0]: x})
            return dict(zip(evaluator.output_names, found, strict=True))

        return call


if __name__ == "__main__":
    _serve.main(Reference)

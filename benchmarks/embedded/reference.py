"""The reference evaluator of the package onnx, on the portable graphs: what the operators mean, in NumPy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _serve
from ._plain import Graph, PlainRuntime


class _Evaluated(Graph):
    def __init__(self, path: Path) -> None:
        from onnx.reference import ReferenceEvaluator

        self._evaluator = ReferenceEvaluator(str(path))

    def __call__(self, x: np.ndarray) -> Mapping[str, np.ndarray]:
        names = self._evaluator.output_names
        with np.errstate(over="ignore"):  # its Sigmoid computes both of two branches
            return dict(zip(names, self._evaluator.run(names, {self._evaluator.input_names[0]: x}), strict=True))


class Reference(PlainRuntime):
    """See `_serve.Runtime`."""

    distribution = "onnx"
    threads = "NumPy's"

    def __init__(self, folder: Path) -> None:
        import onnx

        super().__init__(folder)
        self.about = f"onnx {onnx.__version__}, decoder.onnx"

    def open(self, path: Path) -> Graph:
        """An open graph."""
        return _Evaluated(path)


if __name__ == "__main__":
    _serve.main(Reference)

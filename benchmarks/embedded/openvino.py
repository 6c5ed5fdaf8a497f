"""OpenVINO on the portable graphs, compiled for float32 with all other defaults."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _serve
from ._plain import Graph, PlainRuntime


class OpenVINO(PlainRuntime):
    """See `_serve.Runtime`."""

    distribution = "openvino"

    def __init__(self, folder: Path) -> None:
        import openvino

        self._core = openvino.Core()
        super().__init__(folder)
        self.about = f"openvino {openvino.__version__.split('-')[0]}, decoder.onnx"

    def open(self, path: Path) -> Graph:
        """Open a graph."""
        model = self._core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.threads = str(model.get_property("INFERENCE_NUM_THREADS"))  # OpenVINO's own choice

        def call(x: np.ndarray) -> Mapping[str, np.ndarray]:
            results = model([x])
            return {output.any_name: results[output] for output in model.outputs}

        return call


if __name__ == "__main__":
    _serve.main(OpenVINO)

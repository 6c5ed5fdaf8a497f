"""OpenVINO on the portable graphs, as it is compiled if nothing but float32 is asked for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _serve
from ._plain import Graph, PlainRuntime


class _Compiled(Graph):
    def __init__(self, core: "object", path: Path) -> None:
        self.model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, x: np.ndarray) -> Mapping[str, np.ndarray]:
        results = self.model([x])
        return {output.any_name: results[output] for output in self.model.outputs}


class OpenVINO(PlainRuntime):
    """See `_serve.Runtime`."""

    distribution = "openvino"

    def __init__(self, folder: Path) -> None:
        import openvino

        self._core = openvino.Core()
        super().__init__(folder)
        self.about = f"openvino {openvino.__version__.split('-')[0]}, decoder.onnx"

    @property
    def threads(self) -> str:
        """Those of the decoder, which OpenVINO chose."""
        return str(self._decoder.model.get_property("INFERENCE_NUM_THREADS"))

    def open(self, path: Path) -> Graph:
        """An open graph."""
        return _Compiled(self._core, path)


if __name__ == "__main__":
    _serve.main(OpenVINO)

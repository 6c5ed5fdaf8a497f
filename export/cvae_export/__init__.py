"""Export a trained model as a verified ONNX bundle.

    import cvae_export
    print(cvae_export.export("runs/0001", "my-model").table())

The first use of a name imports onnx, and TensorFlow if it needs it, so that `--help` does not wait for them.

In the examples of the names below, ``runs/0001`` is a small run, and ``my-model`` is its bundle.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cvae_runtime.system import require
from cvae_train import import_tensorflow

if TYPE_CHECKING:
    from cvae_runtime.bundle import Manifest

    from ._build import SkippedGraph
    from ._compare_bundle import compare_bundle
    from ._config import ExportConfig
    from ._convert import ConversionError
    from ._detector import CalibrationResult, calibrate
    from ._evaluate_detector import Auroc, Confusion, DetectorEvaluation, evaluate_detector
    from ._export import ExportResult, export, export_models
    from ._graph import Graph
    from ._verify import Comparison, MeanElbo

_MODULES = {
    "Auroc": "_evaluate_detector",
    "CalibrationResult": "_detector",
    "Comparison": "_verify",
    "Confusion": "_evaluate_detector",
    "ConversionError": "_convert",
    "DetectorEvaluation": "_evaluate_detector",
    "ExportConfig": "_config",
    "ExportResult": "_export",
    "Graph": "_graph",
    "Manifest": "_export",
    "MeanElbo": "_verify",
    "SkippedGraph": "_build",
    "calibrate": "_detector",
    "compare_bundle": "_compare_bundle",
    "evaluate_detector": "_evaluate_detector",
    "export": "_export",
    "export_models": "_export",
}

__all__ = [
    "Auroc",
    "CalibrationResult",
    "Comparison",
    "Confusion",
    "ConversionError",
    "DetectorEvaluation",
    "ExportConfig",
    "ExportResult",
    "Graph",
    "Manifest",
    "MeanElbo",
    "SkippedGraph",
    "calibrate",
    "compare_bundle",
    "evaluate_detector",
    "export",
    "export_models",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _MODULES[name] in ("_detector", "_evaluate_detector"):
        require("onnx", "export")
    else:
        import_tensorflow(extra="export")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)

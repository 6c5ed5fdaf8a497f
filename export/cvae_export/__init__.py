"""Export a trained model as a verified ONNX bundle.

    import cvae_export
    print(cvae_export.export("runs/0001", "my-model").table())

The first use of a name imports TensorFlow and onnx, so that `--help` does not wait for them.

In the examples of the names below, ``runs/0001`` is a small run, and ``my-model`` is its bundle.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cvae_train import import_tensorflow

if TYPE_CHECKING:
    from cvae_runtime.bundle import Manifest

    from ._build import SkippedGraph
    from ._compare_bundle import compare_bundle
    from ._config import ExportConfig
    from ._convert import ConversionError
    from ._export import ExportResult, export, export_models
    from ._graph import Graph
    from ._verify import Comparison, MeanElbo

_MODULES = {
    "Comparison": "_verify",
    "ConversionError": "_convert",
    "ExportConfig": "_config",
    "ExportResult": "_export",
    "Graph": "_graph",
    "Manifest": "_export",
    "MeanElbo": "_verify",
    "SkippedGraph": "_build",
    "compare_bundle": "_compare_bundle",
    "export": "_export",
    "export_models": "_export",
}

__all__ = [
    "Comparison",
    "ConversionError",
    "ExportConfig",
    "ExportResult",
    "Graph",
    "Manifest",
    "MeanElbo",
    "SkippedGraph",
    "compare_bundle",
    "export",
    "export_models",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_tensorflow(extra="export")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)

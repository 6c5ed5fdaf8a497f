"""Export a trained model as a verified ONNX bundle.

    import cvae_export
    print(cvae_export.export("runs/0001", "my-model").table())

TensorFlow and onnx are imported by the first use of a name, so that a command line can print its help without
waiting for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cvae_train import import_tensorflow

if TYPE_CHECKING:
    from ._config import ExportConfig
    from ._convert import ConversionError
    from ._errors import ParityError
    from ._export import ExportResult, export, export_models
    from ._verify import Comparison

_MODULES = {
    "ConversionError": "_convert",
    "ExportResult": "_export",
    "Comparison": "_verify",
    "ParityError": "_errors",
    "ExportConfig": "_config",
    "export": "_export",
    "export_models": "_export",
}

__all__ = ["Comparison", "ConversionError", "ExportConfig", "ExportResult", "ParityError", "export", "export_models"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_tensorflow(extra="export")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)

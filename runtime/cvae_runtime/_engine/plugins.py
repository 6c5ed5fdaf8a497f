"""Execution providers from separate packages, which are registered with ONNX Runtime at first use."""

import functools
import importlib
from types import ModuleType
from typing import Any

_PACKAGES = {"openvino": "onnxruntime_ep_openvino", "webgpu": "onnxruntime_ep_webgpu"}


def plugin_devices(onnxruntime: Any, provider: str, name: str) -> list[Any] | None:
    """Return the devices of a provider from a separate package; None if no package is installed for it.

    Args:
        onnxruntime: the module. Versions before 1.24 do not support separate packages; for them the result is None.
        provider: cvae_runtime's name of the provider, such as "openvino".
        name: ONNX Runtime's name of the provider, such as "OpenVINOExecutionProvider".

    Raises:
        Exception: ONNX Runtime cannot load the package's library.
    """
    module = plugin_package(provider) if hasattr(onnxruntime, "get_ep_devices") else None
    if module is None:
        return None
    _register(onnxruntime, module)
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]


def plugin_package(provider: str) -> ModuleType | None:
    """Import and return the package of a provider; None if it is not installed."""
    try:
        return importlib.import_module(_PACKAGES[provider]) if provider in _PACKAGES else None
    except ModuleNotFoundError:
        return None


@functools.cache
def _register(onnxruntime: Any, module: ModuleType) -> None:
    """Register a package once per process; ONNX Runtime raises the second time."""
    onnxruntime.register_execution_provider_library(module.__name__, module.get_library_path())

"""Execution providers that are packages of their own, beside ONNX Runtime's, and are registered with it when they are used."""

import functools
import importlib
from types import ModuleType
from typing import Any

_PACKAGES = {"openvino": "onnxruntime_ep_openvino", "webgpu": "onnxruntime_ep_webgpu"}


def plugin_devices(onnxruntime: Any, provider: str, name: str) -> list[Any] | None:
    """The devices of a provider that is a package of its own; None where there is no such package.

    Args:
        onnxruntime: the module; one that takes such packages, 1.24 or later.
        provider: its name at our surface.
        name: its name in ONNX Runtime.

    Raises:
        Exception: ONNX Runtime refuses the package.
    """
    module = plugin_package(provider) if hasattr(onnxruntime, "get_ep_devices") else None
    if module is None:
        return None
    _register(onnxruntime, module)
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]


def plugin_package(provider: str) -> ModuleType | None:
    """The package of a provider, imported; None where it is not installed."""
    try:
        return importlib.import_module(_PACKAGES[provider]) if provider in _PACKAGES else None
    except ModuleNotFoundError:
        return None


@functools.cache
def _register(onnxruntime: Any, module: ModuleType) -> None:
    """Once a process: ONNX Runtime refuses a second time."""
    onnxruntime.register_execution_provider_library(module.__name__, module.get_library_path())

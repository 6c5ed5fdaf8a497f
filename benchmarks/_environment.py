"""The machine and the versions of packages, for the result file."""

import importlib.metadata
import platform
import re
from pathlib import Path
from typing import Any

import cvae_runtime
import cvae_runtime.system

PACKAGES = (
    *("cvae-toolkit", "numpy", "onnxruntime", "onnxruntime-gpu", "tensorflow", "keras", "torch", "jax", "openvino"),
    "ai-edge-litert",
)
_FLAGS = re.compile(r"avx|amx|fma|sse4|asimd|sve|bf16|i8mm|f16c")


def environment(root: Path = Path("/")) -> dict[str, Any]:
    """Processor and its vector instructions, cores that this process may use, clock governor, memory, versions.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    cpu = cvae_runtime.system.processor(root)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": cpu.name,
        "flags": [flag for flag in cpu.flags if _FLAGS.match(flag)],
        "cores": cvae_runtime.system.allowed_cores(),
        "governor": _governor(root),
        "memory_bytes": cvae_runtime.system.available_memory(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _governor(root: Path) -> str | None:
    """The governor of the first core's clock; None on most virtual machines, which have none."""
    path = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

"""Versions and machine of a run, for its environment.json."""

import platform
from importlib import metadata
from typing import Any

from cvae_runtime.system import allowed_cores


def describe_environment() -> dict[str, Any]:
    """Versions and machine: what another run of the same config may differ by."""
    packages = ("cvae-toolkit", "tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": allowed_cores(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

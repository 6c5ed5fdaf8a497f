"""Versions and machine of a run, for ``environment.json``."""

import platform
from importlib import metadata
from typing import Any

from cvae_runtime.system import allowed_cores


def describe_environment() -> dict[str, Any]:
    """Describe the versions and the machine, on which the results of a run depend beside its config."""
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

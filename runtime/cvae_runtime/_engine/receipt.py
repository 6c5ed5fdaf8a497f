"""What a model runs on, for whoever has to repeat its results."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._system import require, write_file
from .open import Engines
from .providers import PROVIDERS, nodes_by_provider


def make_receipt(
    path: Path,
    sha256: str,
    engines: Engines,
    *,
    requested: str,
    precision: str,
    threads: int,
) -> dict[str, Any]:
    """Describe open sessions as `Model.receipt` does: what was asked for, what runs and why, and with what versions.

    Args:
        path, sha256: of the bundle.
        engines: what computes.
        requested: the provider that was asked for.
        precision: the precision that was asked for.
        threads: how many run at a time.
    """
    opened = engines.opened
    options = opened.sessions[0].get_provider_options()
    return {
        "bundle": {"path": str(path), "manifest_sha256": sha256},
        "provider": {
            "requested": requested,
            "actual": opened.provider,
            "why": opened.why,
            "options": options.get(PROVIDERS[opened.provider], {}),
        },
        "precision": precision,
        "threads": threads,
        "graphs": {
            role: {
                "file": graph.file,
                "precision": graph.precision,
                "why": None
                if graph.precision == precision
                else f"the bundle has no {precision} {graph.role} for this provider",
                "micro_batch": engines.micro_batches[role],
                "providers": session.get_providers(),
                "nodes": nodes_by_provider(session),
            }
            for (role, graph), session in zip(engines.graphs.items(), opened.sessions, strict=True)
        },
        "versions": versions(),
    }


def write_receipt(path: Path, receipt: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Write a receipt, and what was asked for, as JSON."""
    write_file(path, (json.dumps({**receipt, "request": request}, indent=1, allow_nan=False) + "\n").encode())


def versions() -> dict[str, str | None]:
    """Versions of what takes part; None for what is not there."""
    try:
        onnxruntime = require("onnxruntime", "cpu").__version__
    except ImportError:
        onnxruntime = None
    return {
        "cvae-toolkit": distribution_version("cvae-toolkit"),
        "onnxruntime": onnxruntime,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def distribution_version(name: str) -> str | None:
    """The version of an installed distribution; None where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

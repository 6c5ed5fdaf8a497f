"""Provenance record: what a model runs on, and with which versions."""

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
    """Make the record that `Model.receipt` returns: the request, what runs and why, and the versions.

    Args:
        path: the bundle's folder.
        sha256: SHA-256 of the bundle's manifest.
        engines: the open encoder and decoder.
        requested: the requested provider.
        precision: the requested precision.
        threads: number of threads on the CPU.

    Returns:
        A dict of JSON values.
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
    """Write a receipt and the command's request to a JSON file."""
    write_file(path, (json.dumps({**receipt, "request": request}, indent=1, allow_nan=False) + "\n").encode())


def versions() -> dict[str, str | None]:
    """Return the versions of cvae-toolkit, ONNX Runtime, NumPy and Python; None if not installed."""
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
    """Return the version of a distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

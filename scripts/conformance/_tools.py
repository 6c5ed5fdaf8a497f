"""Shared by the adapters: types, and functions that run other programs."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]
Runtime = Callable[[Path, Sequence[str]], Run]


class ConvertsOnly(Exception):
    """A graph was converted, but this machine cannot run the result; the message is the reason."""


def item_by_item(run: Run) -> Run:
    """Run a batch as batches of one."""

    def run_all(inputs: Arrays) -> Arrays:
        # The batch of a scorer's noise, (samples, batch, L), is its second axis.
        batches = {name: array.ndim - 2 if name == "noise" else 0 for name, array in inputs.items()}
        count = min(array.shape[batches[name]] for name, array in inputs.items())
        items = [
            run({name: np.take(array, [i], batches[name]) for name, array in inputs.items()}) for i in range(count)
        ]
        return {name: np.concatenate([item[name] for item in items]) for name in items[0]}

    return run_all


def execute(*command: object, **options: Any) -> str:
    """Run a program and return its stdout; if it fails, raise `RuntimeError` with the most useful line."""
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if "Error" in line] or [result.stderr]
        raise RuntimeError(f"{Path(str(command[0])).name}: {lines[-1]}")
    return result.stdout


def run_tool(name: str, *arguments: object, folder: Path | None = None) -> str:
    """Run a program that a package has installed beside Python."""
    return execute(Path(sys.executable).with_name(name), *arguments, cwd=folder)

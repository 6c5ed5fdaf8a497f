"""Shared by the adapters: types, and functions that run other programs."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]
Runtime = Callable[[Path, Sequence[str]], Run]


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

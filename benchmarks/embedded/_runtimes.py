"""The contenders of `runtimes` and their start commands."""

import dataclasses
import functools
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks._process import Contender, ContenderError
from benchmarks._result import Kind

from ._prepare import build_javascript
from ._program import BrowserProgram, LineProgram, Program
from .cpp import CommandLine

OURS = "Python"

Open = Callable[[Contender, Path], Program]


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A row of the report.

    Attributes:
        name: name in the table.
        kind: "ours" or "peer".
        open: starts its program with a prepared folder.
        device: the device that it runs on.
        most: largest batch size; the reference evaluator needs half a second for one image.
    """

    name: str
    kind: Kind
    open: Open
    device: str = "cpu"
    most: int | None = None


def _python(module: str) -> Open:
    command = [sys.executable, "-m", f"benchmarks.embedded.{module}"]
    return lambda contender, folder: LineProgram(contender, [*command, str(folder)])


def _javascript(
    program: Callable[[Contender, Sequence[str]], Program],
    script: str,
    *arguments: str,
    build: Callable[[], str | None],
) -> Open:
    def start(contender: Contender, folder: Path) -> Program:
        reason = build()
        if reason is not None:
            raise ContenderError("skipped" if reason.startswith("not installed") else "failed", reason)
        return program(
            contender, [str(shutil.which("node")), str(Path(__file__).with_name(script)), str(folder), *arguments]
        )

    return start


def runtimes() -> Sequence[Runtime]:
    """All runtimes; those in JavaScript share one compilation of cvae-runtime."""
    build = functools.cache(build_javascript)
    browser = partial(_javascript, BrowserProgram, "chromium.mjs", build=build)
    return (
        Runtime(OURS, "ours", _python("ours")),
        Runtime("Node.js", "ours", _javascript(LineProgram, "node.mjs", build=build)),
        Runtime("Chromium, 1 thread", "ours", browser("wasm")),
        Runtime("Chromium, isolated", "ours", browser("threads")),
        Runtime("Chromium, WebGPU", "ours", browser("webgpu"), device="webgpu"),
        Runtime("OpenVINO", "peer", _python("openvino")),
        Runtime("onnx reference", "peer", _python("reference"), most=1),
        Runtime("C++", "peer", lambda _, folder: CommandLine(folder)),
    )

"""Run command lines as processes that start within milliseconds: forks of a process that has imported the packages."""

import dataclasses
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

_PRELOAD = (
    "cvae_train._train",
    "cvae_train._cli",
    "cvae_runtime._commands.generate",
    "cvae_runtime._commands.encode",
    "onnxruntime",
    "cvae_export._cli",
    "cvae_export._export",
    "tf2onnx",
)
PATIENCE = 300  # seconds per command

NOBODY = 65534
DONE, FAILED = 0, 1

MODULES = {
    "cvae-train": "cvae_train._cli",
    "cvae-evaluate": "cvae_train._cli_evaluate",
    "cvae-export": "cvae_export._cli",
    "cvae-generate": "cvae_runtime._commands.generate",
    "cvae-encode": "cvae_runtime._commands.encode",
    "cvae-verify": "cvae_runtime._commands.verify",
    "cvae-inspect": "cvae_runtime._commands.inspect",
}

# TensorFlow's log would fill the files that receive the commands' errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(_PRELOAD))


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a command.

    Attributes:
        file_bytes: the largest file that it can write; simulates a full disk.
        uid: the user that it runs as; root is exempt from permissions and can switch to another user.
        memory_bytes: memory that it can allocate beyond that at its start.
        cores: cores that it can use.
    """

    file_bytes: int | None = None
    uid: int | None = None
    memory_bytes: int | None = None
    cores: int | None = None

    def impose(self) -> None:
        """Apply the limits to this process."""
        if self.file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))
        if self.memory_bytes is not None:
            has = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (has + self.memory_bytes, resource.RLIM_INFINITY))
        if self.cores is not None:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: self.cores])
        if self.uid is not None:
            os.setgid(self.uid)
            os.setuid(self.uid)


FREE = Limits()


def start(command: Sequence[str], log: Path, limits: Limits = FREE, folder: Path | None = None) -> BaseProcess:
    """Start a command line with empty stdin, in a folder if one is given; stdout and stderr go to a file."""
    return start_call(_run, (list(command), folder), log, limits)


def start_call(
    function: Callable[..., object], arguments: tuple[object, ...], log: Path, limits: Limits
) -> BaseProcess:
    """Start a call of a module's function in the same way."""
    process = _CONTEXT.Process(target=_begin, args=(function, arguments, log, limits), daemon=True)
    process.start()
    return process


def end(process: BaseProcess, patience: float = PATIENCE) -> int | None:
    """Wait for the exit code; after the timeout, kill the process and return None."""
    process.join(patience)
    if process.exitcode is not None:
        return process.exitcode
    process.kill()
    process.join()
    return None


def run(command: Sequence[str], log: Path, limits: Limits = FREE, folder: Path | None = None) -> int | None:
    """Run a command line and return its exit code; None if it takes longer than `PATIENCE`."""
    return end(start(command, log, limits, folder))


def says_why(code: int | None, text: str) -> bool:
    """Whether a command ended as documented: with one of our exit codes, and an error message of one sentence."""
    if code == DONE:
        return True
    unforeseen = "Traceback" in text or "this is unexpected" in text
    return code in (FAILED, 2, 3, 4, 5) and not unforeseen and "Error: " in text


def _begin(function: Callable[..., object], arguments: tuple[object, ...], log: Path, limits: Limits) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    limits.impose()
    function(*arguments)


def _run(command: list[str], folder: Path | None) -> None:
    import importlib

    if folder is not None:
        os.chdir(folder)
    sys.argv = command
    importlib.import_module(MODULES[command[0]]).main()

"""Run a program to its end, and measure its time and its peak memory."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ._process import ContenderError


def measured(command: Sequence[str], log: Path) -> tuple[float, float]:
    """Run a program with its output in a file; return its seconds and its peak memory in MB.

    Linux counts the memory of the process that starts a program as the program's own. So this process has to stay
    smaller than the program: it imports no TensorFlow.

    Raises:
        ContenderError: the program failed; the message has its last line and names the file.
    """
    with log.open("wb") as out:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "no message"
        raise ContenderError("failed", f"exit code {process.returncode}: {last}; {log} has the whole output")
    return seconds, usage.ru_maxrss * 1024 / 1e6

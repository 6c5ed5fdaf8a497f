"""Start the process of a contender, which runs `_worker`, and send it requests."""

import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._result import Kind, Status


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to do a task.

    Attributes:
        name: name in tables and files.
        factory: "module:function"; see `_worker`.
        arguments: arguments of the factory.
        kind, precision, device: see `_result.Entry`.
        tasks: the supported tasks; all by default.
        atol: largest allowed difference from the reference, if it differs from the default.
        mean_atol: largest allowed mean difference. It replaces `atol` in fewer bits, where single values may flip.
        items: task -> items that a call corresponds to, if not the batch size; the output is then not checked.
    """

    name: str
    factory: str
    arguments: tuple[str, ...] = ()
    kind: Kind = "peer"
    precision: str = "float32"
    device: str = "cpu"
    tasks: tuple[str, ...] | None = None
    atol: float | None = None
    mean_atol: float | None = None
    items: Mapping[str, float] | None = None


def chosen(name: str, words: Sequence[str] | None) -> bool:
    """Whether a name contains one of the words, in any case; all names do if there are no words."""
    return words is None or any(word.lower() in name.lower() for word in words)


class ContenderError(Exception):
    """The reason why a contender cannot be measured."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


class Process:
    """The process of a contender; it handles one request at a time.

    Args:
        contender: the contender.
        cores: how many cores it may use; all by default.
        patience: seconds to wait for an answer before the process is killed.
        command: a program that speaks the protocol of `_worker`; by default `_worker` with the contender's factory.
    """

    def __init__(
        self,
        contender: Contender,
        cores: int | None = None,
        patience: float = 600.0,
        command: Sequence[str] | None = None,
    ) -> None:
        self.contender = contender
        self._patience, self._hung = patience, False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed together with the process
        allowed = "all" if cores is None else str(cores)
        self._process = subprocess.Popen(
            command or (sys.executable, "-m", "benchmarks._worker", allowed, contender.factory, *contender.arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def close(self) -> None:
        """Stop the process; kill it after 10 seconds."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # the process died before it read its last request
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def start(self) -> None:
        """Wait until the process is ready.

        Raises:
            ContenderError: it is not installed, cannot run here, or failed.
        """
        answer = self._receive()
        if "unavailable" in answer:
            raise ContenderError("skipped", answer["unavailable"])

    def output(self, task: str, batch: int) -> np.ndarray:
        """The output of one call."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "output.npy"
            self._ask(do="output", task=task, batch=batch, path=str(path))
            found: np.ndarray = np.load(path)
            return found

    def measure(self, task: str, batch: int, seconds: float) -> Sequence[float]:
        """Repeat the call for about this long and return the seconds of every call."""
        times: Sequence[float] = self._ask(do="measure", task=task, batch=batch, seconds=seconds)["times"]
        return times

    def serve(self, task: str, batches: Sequence[int], rate: float, *, seconds: float, seed: int, bound: float) -> bool:
        """See `_serving.serve`."""
        request = {"batches": list(batches), "rate": rate, "seconds": seconds, "seed": seed, "bound": bound}
        held: bool = self._ask(do="serve", task=task, **request)["held"]
        return held

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = threading.Timer(self._patience, self._give_up)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _give_up(self) -> None:
        self._hung = True
        self._process.kill()

    def _died(self) -> ContenderError:
        self._process.wait()
        if self._hung:
            return ContenderError("failed", f"no answer in {self._patience:g} s")
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else "no message"
        return ContenderError("failed", f"exit code {self._process.returncode}: {last[:300]}")

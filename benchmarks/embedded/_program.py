"""Start the programs that embed the model, and send them requests; the package's docstring has the protocol."""

import base64
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from benchmarks._process import Contender, ContenderError, Process
from cvae_runtime.bundle import Golden, GoldenCase, GoldenLatents

from ._agreement import Agreement, distance, ulp


@dataclasses.dataclass(frozen=True)
class Start:
    """A cold start: the seconds until the first image, and its values."""

    seconds: float
    image: np.ndarray


class Program(Protocol):
    """An embedding program. All methods raise `ContenderError` if it dies or cannot run on this machine.

    Attributes:
        threads: its default number of threads.
        about: versions, and the graph used for decoding.
    """

    threads: str
    about: str

    def cold(self) -> Start:
        """Start again from cold."""

    def agreement(self, golden: Golden, bundles: Mapping[str, str]) -> Agreement:
        """Compare outputs with golden vectors; ``bundles`` maps each file to the folder of its bundle."""

    def decode(self, batch: int) -> np.ndarray:
        """Images of the first latents of seed 1, flattened."""

    def measure(self, batch: int, seconds: float) -> Sequence[float]:
        """Decode these latents repeatedly for about this long; return the seconds of every call."""

    def size(self) -> int:
        """Bytes that an app ships, without its own code and the model."""

    def close(self) -> None:
        """Stop the program."""


class LineProgram(Process):
    """A program that answers JSON lines; its cold start ends with its first line."""

    def __init__(self, contender: Contender, command: Sequence[str]) -> None:
        self._command = command
        began = time.perf_counter()
        super().__init__(contender, command=command)
        try:
            answer = self._receive()
            seconds = time.perf_counter() - began
            if "unavailable" in answer:
                raise ContenderError("skipped", answer["unavailable"])
        except BaseException:
            self.close()
            raise
        self.first = Start(seconds, values(answer["image"]))
        self.threads: str = answer["threads"]
        self.about: str = answer["about"]

    def cold(self) -> Start:
        """See `Program`: starts another process."""
        other = type(self)(self.contender, self._command)
        other.close()
        return other.first

    def agreement(self, golden: Golden, bundles: Mapping[str, str]) -> Agreement:
        """See `Program`."""
        differences: dict[str, Mapping[str, float]] = {}
        not_run: dict[str, str] = {}
        for case in golden.cases:
            if case.file in bundles:
                found = self._run(bundles[case.file], case)
                if isinstance(found, str):
                    not_run[case.file] = found
                else:
                    differences[case.file] = found
        steps = [distance for latents in golden.rng if (distance := self._ulp(latents)) is not None]
        return Agreement(differences, not_run, max(steps, default=None))

    def _run(self, bundle: str, case: GoldenCase) -> Mapping[str, float] | str:
        """Differences of a graph's outputs from the golden ones, or the reason why the program does not run it."""
        (given,) = case.inputs.values()
        text = base64.b64encode(given.tobytes()).decode()
        answer = self._ask(do="run", bundle=bundle, file=case.file, input=text)
        if "reason" in answer:
            return str(answer["reason"])
        return {
            name: distance(values(answer["outputs"][name]), expected, f"{name} of {case.file}")
            for name, expected in case.outputs.items()
        }

    def _ulp(self, golden: GoldenLatents) -> int | None:
        # Seeds and indices are strings, because JavaScript's JSON numbers are exact only up to 2^53.
        seed, first = str(golden.seed), str(golden.first)
        asked = {"count": golden.count, "latent_dim": golden.latent_dim}
        text = self._ask(do="latents", seed=seed, first=first, **asked)["z"]
        if text is None:
            return None
        return ulp(values(text), golden.z, f"latents of seed {seed}")

    def decode(self, batch: int) -> np.ndarray:
        """See `Program`."""
        return values(self._ask(do="decode", batch=batch)["images"])

    def measure(self, batch: int, seconds: float) -> Sequence[float]:  # type: ignore[override]
        """See `Program`."""
        times: Sequence[float] = self._ask(do="measure", batch=batch, seconds=seconds)["times"]
        return times

    def size(self) -> int:
        """See `Program`."""
        return int(self._ask(do="size")["bytes"])


class BrowserProgram(LineProgram):
    """A program that drives a browser; a cold start excludes the start of the browser."""

    def cold(self) -> Start:
        """See `Program`: opens the page in a new context."""
        answer = self._ask(do="cold")
        return Start(answer["seconds"], values(answer["image"]))


def values(text: str) -> np.ndarray:
    """Decode float32 values from little-endian bytes in base64."""
    return np.frombuffer(base64.b64decode(text), "<f4")

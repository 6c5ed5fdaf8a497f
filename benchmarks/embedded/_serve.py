"""The request loop of the programs in Python; the package's docstring has the protocol."""

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Runtime(Protocol):
    """A runtime that embeds the model."""

    threads: str
    about: str

    def first(self) -> np.ndarray:
        """The image of seed 0."""

    def latents(self, seed: int, first: int, count: int, latent_dim: int) -> np.ndarray | None:
        """Latents of the prior's stream; None if the runtime does not have the bundle's random numbers."""

    def batch(self, count: int) -> np.ndarray:
        """Latents of seed 1."""

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decode latents to images."""

    def run(self, bundle: Path, file: str, data: bytes) -> Mapping[str, np.ndarray]:
        """Run a graph of a bundle and return its outputs; raise `LookupError` with the reason if it does not run."""

    def bytes(self) -> int:
        """Size on disk."""


def main(open_runtime: Callable[[Path], Runtime]) -> None:
    """Serve requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # prints of libraries go to stderr

    def answer(value: Mapping[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    folder = Path(sys.argv[1])
    try:
        runtime = open_runtime(folder)
    except ImportError as error:
        answer({"unavailable": f"not installed: {error}"})
        return
    answer({"image": text_of(runtime.first()), "threads": runtime.threads, "about": runtime.about})
    for line in sys.stdin:
        answer(respond(runtime, folder, **json.loads(line)))


def respond(runtime: Runtime, folder: Path, do: str, **asked: Any) -> dict[str, Any]:
    """Answer a request."""
    if do == "run":
        try:
            found = runtime.run(folder / asked["bundle"], asked["file"], base64.b64decode(asked["input"]))
        except Exception as error:  # runtimes raise errors of any type
            first = next(iter(str(error).strip().splitlines()), "no message")
            return {"reason": first if isinstance(error, LookupError) else f"{type(error).__name__}: {first}"}
        return {"outputs": {name: text_of(array) for name, array in found.items()}}
    if do == "latents":
        z = runtime.latents(**{name: int(number) for name, number in asked.items()})
        return {"z": None if z is None else text_of(z)}
    if do == "size":
        return {"bytes": runtime.bytes()}
    from benchmarks._worker import measure  # imported late, to keep the cold start short

    z = runtime.batch(asked["batch"])
    if do == "decode":
        return {"images": text_of(runtime.decode(z))}
    return {"times": measure(lambda: runtime.decode(z), asked["seconds"])}


def text_of(array: np.ndarray) -> str:
    """Encode an array's bytes in base64."""
    return base64.b64encode(np.ascontiguousarray(array, array.dtype.newbyteorder("<"))).decode()

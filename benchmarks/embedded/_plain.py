"""Base class of programs with other ONNX runtimes: portable graphs, latents from a file."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Graph = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # from an input to the outputs by name


class PlainRuntime(ABC):
    """A runtime that opens ONNX files.

    Attributes:
        threads: its default number of threads.
        about: its version.
    """

    threads: str
    about: str
    distribution: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoder = self.open(folder / "portable" / "decoder.onnx")

    @abstractmethod
    def open(self, path: Path) -> Graph:
        """Open a graph."""

    def first(self) -> np.ndarray:
        """Decode the image of seed 0; its latent is read from a file."""
        return self.decode(_read(self._folder / "first.f32"))

    def latents(self, **_: int) -> None:
        """Return None: these runtimes do not have the bundle's random numbers."""
        return

    def batch(self, count: int) -> np.ndarray:
        """Latents of seed 1."""
        length = _read(self._folder / "first.f32").shape[1]
        return _read(self._folder / "batch.f32", length)[:count]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decode latents to images."""
        return self._decoder(z)["probs"]

    def run(self, bundle: Path, file: str, data: bytes) -> Mapping[str, np.ndarray]:
        """Run a graph and return its outputs."""
        graphs = json.loads((bundle / "manifest.json").read_text())["graphs"]
        tensor = next(graph for graph in graphs if graph["file"] == file)["inputs"][0]
        shape = [size if isinstance(size, int) else -1 for size in tensor["shape"]]
        return self.open(bundle / file)(np.frombuffer(data, tensor["dtype"]).reshape(shape))

    def bytes(self) -> int:
        """Size of the distribution with all its requirements."""
        from benchmarks._installed import installed_bytes, requirements

        return installed_bytes(requirements(self.distribution))


def _read(path: Path, length: int | None = None) -> np.ndarray:
    values = np.fromfile(path, "<f4")
    return values.reshape(-1, length or values.size)

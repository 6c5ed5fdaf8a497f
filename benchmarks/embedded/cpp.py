"""Run the programs of examples/cpp and read their output."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks._process import ContenderError
from cvae_runtime.bundle import Golden

from ._agreement import Agreement
from ._program import Start

BUILD = Path(__file__).parents[2] / "build" / "cpp"
_DIFFERENCE = re.compile(r"(?P<file>\w+\.onnx), (?P<output>\w+): largest difference (?P<value>[^,]+),")
_ULP = re.compile(r"latents, seed \d+, first \d+: (\d+) ulp")
_RATE = re.compile(r"([\d.]+) images/s")
# Libraries that every system has.
_SYSTEM = re.compile(r"(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+))\.so")


class CommandLine:
    """See `_program.Program`. Each request is a process that draws its latents and writes its images.

    Args:
        folder: the folder written by `_prepare`.
        build: the CMake build folder; by default the variable CVAE_CPP_BUILD, or build/cpp.
    """

    threads = "default"

    def __init__(self, folder: Path, build: Path | None = None) -> None:
        self._folder = folder
        self._build = build or Path(os.environ.get("CVAE_CPP_BUILD", BUILD))
        for name in ("cvae-sample", "cvae-self-test"):
            if not (self._build / name).exists():
                how = "cmake -S examples/cpp -B build/cpp and --build it, as examples/cpp/README.md says"
                raise ContenderError("skipped", f"not built: {name}; {how}")
        self.about = f"{self._library().name}, decoder.onnx"

    def cold(self) -> Start:
        """Measure from the start of the process to its end, which is after it wrote the image."""
        began = time.perf_counter()
        image = self._draw(0, 1)
        return Start(time.perf_counter() - began, image)

    def agreement(self, golden: Golden, bundles: Mapping[str, str]) -> Agreement:
        """Read the differences that the self-test prints."""
        output = self._call("cvae-self-test", str(self._folder / "portable"))
        differences: dict[str, dict[str, float]] = {}
        for found in _DIFFERENCE.finditer(output):
            differences.setdefault(found["file"], {})[found["output"]] = float(found["value"])
        steps = [int(text) for text in _ULP.findall(output)]
        if not differences or len(steps) != len(golden.rng):
            raise ContenderError("failed", f"cvae-self-test printed no differences: {output[-200:]}")
        there = {file: found for file, found in differences.items() if file in bundles}
        return Agreement(there, {file: "it opens portable graphs" for file in bundles if file not in there}, max(steps))

    def decode(self, batch: int) -> np.ndarray:
        """Images of seed 1."""
        return self._draw(1, batch)

    def measure(self, batch: int, seconds: float) -> Sequence[float]:
        """Measure whole seconds; the program prints only the rate."""
        with tempfile.TemporaryDirectory() as out:
            output = self._call("cvae-sample", *self._drawing(1, batch, out), "--repeat", str(max(1, round(seconds))))
        found = _RATE.search(output)
        if found is None:
            raise ContenderError("failed", f"cvae-sample printed no rate: {output[-200:]}")
        return [batch / float(found[1])]

    def size(self) -> int:
        """The size of the program and the libraries that it loads, except the system's."""
        return sum(path.stat().st_size for path in [self._build / "cvae-sample", *self._libraries()])

    def close(self) -> None:
        """Do nothing: no process is running."""

    def _draw(self, seed: int, count: int) -> np.ndarray:
        with tempfile.TemporaryDirectory() as out:
            self._call("cvae-sample", *self._drawing(seed, count, out))
            return np.fromfile(Path(out, "raw"), "<f4")

    def _drawing(self, seed: int, count: int, out: str) -> Sequence[str]:
        where = ("-o", f"{out}/picture.pgm", "--raw", f"{out}/raw")
        return (str(self._folder / "portable"), "-n", str(count), "--seed", str(seed), *where)

    def _call(self, name: str, *arguments: str) -> str:
        done = subprocess.run([str(self._build / name), *arguments], capture_output=True, text=True, check=False)
        output = (done.stdout + done.stderr).strip()
        if done.returncode:
            raise ContenderError("failed", f"{name}: exit code {done.returncode}: {output[-300:]}")
        return output

    def _library(self) -> Path:
        return next((path for path in self._libraries() if "onnxruntime" in path.name), Path("onnxruntime"))

    def _libraries(self) -> Sequence[Path]:
        try:
            listed = subprocess.run(
                ["ldd", str(self._build / "cvae-sample")],  # noqa: S607  # found on PATH
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise ContenderError("skipped", f"its libraries are unknown: {error}") from None
        pairs = re.findall(r"^\s*(\S+) => (\S+)", listed.stdout, re.MULTILINE)
        return [Path(where).resolve() for name, where in pairs if not _SYSTEM.match(name)]

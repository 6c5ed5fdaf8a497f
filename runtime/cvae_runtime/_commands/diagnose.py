"""What works on this machine: a real session on each provider, golden vectors on it, and what fixes what does not work."""

import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .._bundle import Bundle
from .._engine import PROVIDERS, REMEDIES, check_golden, distribution_version, plugin_package, versions
from .._errors import CvaeError
from .._model import Model
from .._system import affinity, allowed_cores, available_memory, cpu_quota, require

# What ONNX Runtime, CUDA and TensorRT say, and what then helps; the first that is found counts.
_FIXES = (
    (r"below the minimum required version", "pip install --upgrade onnxruntime"),
    (r"driver version is insufficient", "update NVIDIA's driver, or pip install 'onnxruntime-gpu[cuda,cudnn]<1.28'"),
    (r"no CUDA-capable device|CUDA failure 100\b", "docker run --gpus all, or what gives this process its GPU"),
    (r"install TensorRT|libnvinfer", "pip install 'cvae-toolkit[gpu]' tensorrt"),
    (r"lib(cublas|cudart|cudnn|cufft|curand|nvrtc)|cuDNN", "pip install 'cvae-toolkit[gpu]'"),
    (r"webgpu is installed, but finds no device", "on Debian and Ubuntu: apt install libvulkan1 mesa-vulkan-drivers"),
    (r"openvino is installed, but finds no device", f"pip uninstall onnxruntime-ep-openvino; {REMEDIES['openvino']}"),
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """What does not work, and the line that fixes it."""

    what: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Trial:
    """How the packaged model runs on one provider.

    Attributes:
        provider: its name.
        works: whether every golden vector is within its tolerance.
        nodes: of the decoder's graph, by execution provider; None on the CPU alone.
        worst: the largest difference from a golden vector, in its tolerance; None where nothing ran.
    """

    provider: str
    works: bool
    nodes: dict[str, int] | None
    worst: float | None


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Everything that `diagnose` finds.

    Attributes:
        versions: of what takes part, and the system.
        onnxruntimes: the distributions that bring ONNX Runtime; more than one overwrite each other's files.
        threads: those allowed, and what allows them: affinity, and the quota of the control groups, if any.
        memory: bytes available.
        devices: the processor, GPUs, and what plugins of ONNX Runtime found.
        trials: a provider each.
        unused: providers of ONNX Runtime that have no name here.
        problems: what does not work.
    """

    versions: dict[str, str | None]
    onnxruntimes: dict[str, str | None]
    threads: dict[str, float | None]
    memory: int
    devices: list[str]
    trials: list[Trial]
    unused: list[str]
    problems: list[Problem]


def diagnose(bundle: Bundle) -> Diagnosis:
    """Try a bundle on every provider of the installed ONNX Runtime."""
    problems: list[Problem] = []
    onnxruntimes = {name: distribution_version(name) for name in _distributions()}
    if len(onnxruntimes) > 1:
        keep = "'cvae-toolkit[gpu]'" if "onnxruntime-gpu" in onnxruntimes else [*onnxruntimes][-1]
        what = f"{' and '.join(onnxruntimes)} are installed together and overwrite each other's files"
        problems.append(Problem(what, f"pip uninstall {' '.join(onnxruntimes)}; pip install {keep}"))
    onnxruntime = _import(problems)
    available = [] if onnxruntime is None else onnxruntime.get_available_providers()
    gpus = _nvidia()
    if gpus and onnxruntime is not None and PROVIDERS["cuda"] not in available:
        what = f"there is a GPU ({gpus[0]}), and the installed onnxruntime has no {PROVIDERS['cuda']}"
        problems.append(Problem(what, REMEDIES["cuda"]))
    names = [name for name, full in PROVIDERS.items() if full in available or (available and plugin_package(name))]
    return Diagnosis(
        versions() | {"system": platform.platform()},
        onnxruntimes,
        {"allowed": allowed_cores(), "affinity": affinity(), "quota": cpu_quota()},
        available_memory(),
        [_processor(), *gpus],
        [_try(bundle, name, problems) for name in names],
        [full for full in available if full not in PROVIDERS.values()],
        problems,
    )


def _import(problems: list[Problem]) -> Any:
    try:
        onnxruntime: ModuleType = require("onnxruntime", "cpu")
    except ImportError as error:
        what, _, fix = str(error).partition("; it comes with: ")
        problems.append(Problem(what, fix or f"pip uninstall onnxruntime; {REMEDIES['cpu']}"))
        return None
    return onnxruntime


def _try(bundle: Bundle, provider: str, problems: list[Problem]) -> Trial:
    with _said_by_libraries() as said:
        try:
            with Model(bundle, provider, "float32", 1) as model:  # type: ignore[arg-type]
                nodes = model.receipt()["graphs"]["decoder"]["nodes"]
            results = check_golden(bundle, provider)
        except CvaeError as error:
            what = str(error).removesuffix(f"; install it with: {REMEDIES[provider]}")
            reasons = [reason for reason in said() if reason not in what]
            what = "; ".join([what, *reasons])
            fixes = (fix for pattern, fix in _FIXES if re.search(pattern, what))
            problems.append(Problem(what, next(fixes, REMEDIES[provider])))
            return Trial(provider, False, None, None)
    for result in results:
        if not result.agrees:
            what = f"provider {provider}: {result.output} of {result.file} differs by {result.difference:.1e}, tolerance {result.atol:.1e}"
            problems.append(Problem(what, 'say provider="cpu", or --provider cpu, where its numbers matter'))
    worst = float(np.max([result.difference / result.atol for result in results]))  # which passes NaN on
    return Trial(provider, all(result.agrees for result in results), nodes, worst)


@contextlib.contextmanager
def _said_by_libraries() -> Iterator[Any]:
    """Keep what C++ writes to stderr off the terminal; yields a function that gives the reasons in it."""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)

        def said() -> list[str]:
            file.seek(0)
            text = file.read().decode(errors="replace")
            return [
                *dict.fromkeys(re.findall(r"(?:with error: |(?=Require ))(.+?)(?:\. Please|$)", text, re.MULTILINE))
            ]

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _distributions() -> list[str]:
    """The installed distributions whose files are those of ``import onnxruntime``."""
    return sorted(set(importlib.metadata.packages_distributions().get("onnxruntime", [])))


def _processor(root: Path = Path("/")) -> str:
    table = root / "proc/cpuinfo"
    names = re.findall(r"^model name\s*: (.+)$", table.read_text() if table.exists() else "", re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def _nvidia() -> list[str]:
    """NVIDIA's GPUs, each with its driver, as its own tool tells them; none where there is no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # a tool without a driver
        return []
    return result.stdout.splitlines()

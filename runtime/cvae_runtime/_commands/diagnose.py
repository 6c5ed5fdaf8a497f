"""Diagnose this machine: open a session on each provider, compare golden vectors, suggest fixes."""

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
from types import ModuleType
from typing import Any

import numpy as np

from .._bundle import Bundle
from .._engine import PROVIDERS, REMEDIES, check_golden, distribution_version, plugin_package, versions
from .._errors import CvaeError
from .._model import Model
from .._system import affinity, allowed_cores, available_memory, cpu_quota, processor, require

# Patterns of errors by ONNX Runtime, CUDA and TensorRT, and their fixes; the first match counts.
_FIXES = (
    (r"below the minimum required version", "pip install --upgrade onnxruntime"),
    (r"driver version is insufficient", "update NVIDIA's driver, or pip install 'onnxruntime-gpu[cuda,cudnn]<1.28'"),
    (r"no CUDA-capable device|CUDA failure 100\b", "give this process a GPU: docker run --gpus all, for example"),
    (r"install TensorRT|libnvinfer", "pip install 'cvae-toolkit[gpu]' tensorrt"),
    (r"lib(cublas|cudart|cudnn|cufft|curand|nvrtc)|cuDNN", "pip install 'cvae-toolkit[gpu]'"),
    (r"webgpu is installed, but finds no device", "on Debian and Ubuntu: apt install libvulkan1 mesa-vulkan-drivers"),
    (r"openvino is installed, but finds no device", f"pip uninstall onnxruntime-ep-openvino; {REMEDIES['openvino']}"),
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem, and the command that fixes it."""

    what: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Trial:
    """Result of running a bundle on one provider.

    Attributes:
        provider: name of the provider.
        works: whether every golden vector is within its tolerance.
        nodes: nodes of the decoder's graph, by execution provider; None if only the CPU provider runs.
        worst: largest difference from a golden vector, as a multiple of its tolerance; None if nothing ran.
    """

    provider: str
    works: bool
    nodes: dict[str, int] | None
    worst: float | None


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Result of `diagnose`.

    Attributes:
        versions: versions of the packages and of the system.
        onnxruntimes: distributions that contain ONNX Runtime; several overwrite each other's files.
        threads: number of threads allowed, affinity, and the quota of the control groups, if any.
        memory: available bytes.
        devices: the processor and the GPUs.
        instructions: see `Processor.instructions`.
        trials: one for each provider.
        unused: providers of ONNX Runtime that this package does not support.
        problems: problems found.
    """

    versions: dict[str, str | None]
    onnxruntimes: dict[str, str | None]
    threads: dict[str, float | None]
    memory: int
    devices: list[str]
    instructions: list[str]
    trials: list[Trial]
    unused: list[str]
    problems: list[Problem]


def diagnose(bundle: Bundle) -> Diagnosis:
    """Run a bundle on every provider of the installed ONNX Runtime."""
    problems: list[Problem] = []
    onnxruntimes = {name: distribution_version(name) for name in _distributions()}
    if len(onnxruntimes) > 1:
        keep = "'cvae-toolkit[gpu]'" if "onnxruntime-gpu" in onnxruntimes else [*onnxruntimes][-1]
        what = f"{' and '.join(onnxruntimes)} are installed together and overwrite each other's files"
        problems.append(Problem(what, f"pip uninstall {' '.join(onnxruntimes)}; pip install {keep}"))
    onnxruntime = _import(problems)
    available = [] if onnxruntime is None else onnxruntime.get_available_providers()
    cpu, gpus = processor(), _nvidia()
    if gpus and onnxruntime is not None and PROVIDERS["cuda"] not in available:
        what = f"found a GPU ({gpus[0]}), but the installed onnxruntime has no {PROVIDERS['cuda']}"
        problems.append(Problem(what, REMEDIES["cuda"]))
    names = [name for name, full in PROVIDERS.items() if full in available or (available and plugin_package(name))]
    return Diagnosis(
        versions() | {"system": platform.platform()},
        onnxruntimes,
        {"allowed": allowed_cores(), "affinity": affinity(), "quota": cpu_quota()},
        available_memory(),
        [cpu.name, *gpus],
        cpu.instructions,
        [_try(bundle, name, problems) for name in names],
        [full for full in available if full not in PROVIDERS.values()],
        problems,
    )


def _import(problems: list[Problem]) -> Any:
    try:
        onnxruntime: ModuleType = require("onnxruntime", "cpu")
    except ImportError as error:
        what, _, fix = str(error).partition("; install it with: ")
        problems.append(Problem(what, fix or f"pip uninstall onnxruntime; {REMEDIES['cpu']}"))
        return None
    return onnxruntime


def _try(bundle: Bundle, provider: str, problems: list[Problem]) -> Trial:
    with _library_errors() as library_errors:
        try:
            with Model(bundle, provider=provider, threads=1) as model:  # type: ignore[arg-type]
                nodes = model.receipt()["graphs"]["decoder"]["nodes"]
            results = check_golden(bundle, provider)
        except CvaeError as error:
            what = str(error).removesuffix(f"; install it with: {REMEDIES[provider]}")
            reasons = [reason for reason in library_errors() if reason not in what]
            what = "; ".join([what, *reasons])
            fixes = (fix for pattern, fix in _FIXES if re.search(pattern, what))
            problems.append(Problem(what, next(fixes, REMEDIES[provider])))
            return Trial(provider, False, None, None)
    for result in results:
        if not result.agrees:
            what = (
                f"provider {provider}: {result.output} of {result.file} differs by {result.difference:.1e}, "
                f"tolerance {result.atol:.1e}"
            )
            problems.append(Problem(what, 'use provider="cpu" or --provider cpu where exact numbers matter'))
    worst = float(np.max([result.difference / result.atol for result in results]))  # np.max propagates NaN
    return Trial(provider, all(result.agrees for result in results), nodes, worst)


@contextlib.contextmanager
def _library_errors() -> Iterator[Any]:
    """Capture what C++ libraries write to stderr; yield a function that returns the errors in it."""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)

        def errors() -> list[str]:
            file.seek(0)
            text = file.read().decode(errors="replace")
            return [
                *dict.fromkeys(re.findall(r"(?:with error: |(?=Require ))(.+?)(?:\. Please|$)", text, re.MULTILINE))
            ]

        try:
            yield errors
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _distributions() -> list[str]:
    """Installed distributions that contain the package ``onnxruntime``."""
    return sorted(set(importlib.metadata.packages_distributions().get("onnxruntime", [])))


def _nvidia() -> list[str]:
    """Names, drivers and memory of NVIDIA's GPUs, from nvidia-smi; empty without it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # nvidia-smi without a driver
        return []
    return result.stdout.splitlines()

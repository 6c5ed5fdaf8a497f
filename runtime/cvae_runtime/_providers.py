"""Execution providers by the names of our surface, and sessions that run where they were asked to.

ONNX Runtime falls back to the CPU without an error, and lists what it was compiled with rather than what works. So a
session is opened, and then asked what it runs on.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ._errors import BundleError, InputError, ProviderError
from ._extras import require

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

Provider = Literal["auto", "cpu", "cuda"]

_CUDA_REMEDY = "pip uninstall onnxruntime; pip install 'cvae-toolkit[gpu]'"

_log = logging.getLogger("cvae_runtime")


def check_provider(provider: str) -> None:
    """Raise `InputError` unless the name is known."""
    if provider not in ("auto", *PROVIDERS):
        raise InputError(f"provider must be one of auto, {', '.join(PROVIDERS)}; found {provider!r}")


def open_sessions(
    graphs_for: Callable[[str], Sequence[bytes]], provider: str, level: str | None = None
) -> tuple[list[Any], str]:
    """Open a session for each graph, all on one provider.

    Args:
        graphs_for: gives the ONNX files for a provider's name.
        provider: "cpu", "cuda", or "auto": CUDA where it works, else the CPU.
        level: the name of an optimisation level, a member of ONNX Runtime's GraphOptimizationLevel; its default if None.

    Returns:
        The sessions, and the name of the provider that they run on.

    Raises:
        ProviderError: the provider asked for by name is not there or does not work.
        BundleError: ONNX Runtime refuses a graph.
        MissingExtraError: ONNX Runtime is not installed.
    """
    check_provider(provider)
    onnxruntime = require("onnxruntime", "cpu")
    available = onnxruntime.get_available_providers()
    if provider == "auto" and PROVIDERS["cuda"] not in available:
        provider = "cpu"
    if provider != "auto":
        return [_open(onnxruntime, graph, provider, available, level) for graph in graphs_for(provider)], provider
    try:
        return [_open(onnxruntime, graph, "cuda", available, level) for graph in graphs_for("cuda")], "cuda"
    except ProviderError as error:
        _log.warning("provider auto: running on the CPU, since CUDA does not work: %s", error)
        return [_open(onnxruntime, graph, "cpu", available, level) for graph in graphs_for("cpu")], "cpu"


def _open(onnxruntime: Any, graph: bytes, provider: str, available: Sequence[str], level: str | None) -> Any:
    name = PROVIDERS[provider]
    if name not in available:
        raise ProviderError(
            f"provider {provider} needs ONNX Runtime's {name}; the installed onnxruntime {onnxruntime.__version__} has "
            f"{', '.join(available)}; install it with: {_CUDA_REMEDY}"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they also come as exceptions
    if level is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.__members__[level]
    # One thread a session: the scheduler runs micro-batches side by side, which is faster than ONNX Runtime's own
    # threads on these graphs, and gives the same bits whatever the number of threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    if provider == "cuda":
        onnxruntime.preload_dlls()
    # TF32 keeps 10 bits of a product's factors: the numbers would not be those of the CPU.
    provider_options = {"use_tf32": "0"} if provider == "cuda" else {}
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[(name, provider_options)])
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        if provider == "cuda":
            raise ProviderError(f"provider cuda failed: {error}; install it with: {_CUDA_REMEDY}") from error
        raise BundleError(f"ONNX Runtime refuses a graph: {error}; export the bundle again") from error
    if (actual := session.get_providers()[0]) != name:
        raise ProviderError(
            f"provider {provider} was asked for and ONNX Runtime fell back to {actual}: CUDA or cuDNN is missing or of "
            f"another version; install them with: {_CUDA_REMEDY}"
        )
    return session

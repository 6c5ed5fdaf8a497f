"""Execution providers by name, and sessions that run on the requested provider.

ONNX Runtime falls back to the CPU silently, and lists the providers that it was compiled with, not those that work. So
this module opens a session and then checks on which provider it runs.
"""

import contextlib
import functools
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from .._errors import BundleError, InputError, ProviderError
from .._system import require
from .fork import fork_guard
from .plugins import plugin_devices

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""ONNX Runtime's name of each execution provider, by the name that `load` takes.

Examples:
    >>> cvae.PROVIDERS["cpu"]
    'CPUExecutionProvider'
"""

Provider = Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "webgpu", "coreml", "directml"]
"""The type of the argument ``provider`` of `load`.

Examples:
    >>> provider: cvae.Provider = "auto"
"""

_GPU = "pip uninstall onnxruntime; pip install 'cvae-toolkit[gpu]'"
REMEDIES = {
    "cpu": "pip install 'cvae-toolkit[cpu]'",
    "cuda": _GPU,
    "tensorrt": f"{_GPU} tensorrt",
    "openvino": "pip uninstall onnxruntime; pip install onnxruntime-openvino",
    "webgpu": "pip install onnxruntime-ep-webgpu",
    "coreml": "pip install 'cvae-toolkit[cpu]' on macOS",
    "directml": "pip uninstall onnxruntime; pip install onnxruntime-directml on Windows",
}

# Defaults that callers can override. TF32 keeps 10 bits of a product's factors, and CoreML's older format computes in
# float16; their outputs would differ from those of the CPU. The default of cuDNN, an exhaustive search, measures every
# algorithm again for each new batch size.
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    "coreml": {"ModelFormat": "MLProgram"},
}

_log = logging.getLogger("cvae_runtime")


class Opened(NamedTuple):
    """Open sessions on one provider.

    Attributes:
        sessions: one for each graph.
        provider: cvae_runtime's name of the provider.
        why: the reason for this provider, for the receipt.
    """

    sessions: list[Any]
    provider: str
    why: str


def check_provider(provider: str, options: Mapping[str, Any] | None = None) -> None:
    """Raise `InputError` unless the provider is known, and accepts options if there are any."""
    if provider not in ("auto", *PROVIDERS):
        raise InputError(f"provider must be one of auto, {', '.join(PROVIDERS)}; found {provider!r}")
    if options and provider in ("auto", "cpu"):
        raise InputError(
            f"provider_options need a named provider other than cpu; found {dict(options)!r} for {provider}"
        )


def open_sessions(
    graphs_for: Callable[[str], Sequence[bytes]],
    provider: str,
    level: str | None = None,
    options: Mapping[str, Any] | None = None,
    sources_for: Callable[[str], Sequence[str]] | None = None,
) -> Opened:
    """Open a session for each graph, all on one provider.

    Args:
        graphs_for: function from a provider's name to the bytes of its ONNX files.
        provider: a name of `PROVIDERS`, or "auto": CUDA if it works, otherwise the CPU. "auto" never uses the others:
            TensorRT compiles for minutes, and none was measured to be faster on these graphs.
        level: name of a member of ONNX Runtime's GraphOptimizationLevel. Default: that of ONNX Runtime.
        options: options of the provider, by ONNX Runtime's names.
        sources_for: function from a provider's name to the names of its files in error messages.

    Raises:
        InputError: an unknown provider, or options for "auto" or "cpu".
        ProviderError: the named provider is not installed or does not work.
        BundleError: ONNX Runtime cannot open a graph.
        MissingExtraError: ONNX Runtime is not installed.
    """
    check_provider(provider, options)
    onnxruntime = require("onnxruntime", "cpu")

    def opened(name: str, why: str) -> Opened:
        graphs = graphs_for(name)
        sources = sources_for(name) if sources_for is not None else [""] * len(graphs)
        pairs = zip(graphs, sources, strict=True)
        sessions = [open_session(graph, name, level, options, source) for graph, source in pairs]
        return Opened(sessions, name, why)

    if provider != "auto":
        return opened(provider, "requested by name")
    cuda = PROVIDERS["cuda"]
    try:
        if cuda in onnxruntime.get_available_providers():
            result = opened("cuda", "CUDA works here")
        else:
            result = opened("cpu", f"the installed onnxruntime has no {cuda}")
    except ProviderError as error:
        _log.warning("provider auto: running on the CPU, since CUDA does not work: %s", error)
        return opened("cpu", f"CUDA does not work: {error}")
    _log.info("provider auto: %s, since %s", result.provider, result.why)
    return result


def nodes_by_provider(session: Any) -> dict[str, int] | None:
    """Return the number of a graph's nodes that run on each execution provider; None if unknown.

    It is known since ONNX Runtime 1.24, for sessions that use another provider than the CPU.
    """
    if session.get_providers() == [PROVIDERS["cpu"]] or not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    found: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        found[part.ep_name] = found.get(part.ep_name, 0) + len(part.get_nodes())
    return found


def open_session(
    graph: bytes,
    provider: str = "cpu",
    level: str | None = None,
    provider_options: Mapping[str, Any] | None = None,
    source: str = "",
) -> Any:
    """Open a session for one graph. All sessions of this project are opened here, so that they have the same options.

    Args:
        graph: the bytes of an ONNX file.
        provider: a name of `PROVIDERS`.
        level: name of a member of ONNX Runtime's GraphOptimizationLevel, to check a graph at levels that users may
            choose. Default: that of ONNX Runtime.
        provider_options: options of the provider, by ONNX Runtime's names; they override this project's defaults.
        source: name of the graph in error messages.

    Returns:
        An ``onnxruntime.InferenceSession`` of one thread that runs on the provider.

    Raises:
        ProviderError: the provider is not installed or does not work.
        BundleError: ONNX Runtime cannot open the graph on the CPU.
        MissingExtraError: ONNX Runtime is not installed.

    Examples:
        >>> session = sessions.open_session(cvae.read_bundle().files["encoder.onnx"])
        >>> inputs = {"images": np.zeros((3, 28, 28, 1), np.uint8), "label": np.full(3, 10)}
        >>> mean, logvar = session.run(["mean", "logvar"], inputs)
        >>> mean.shape
        (3, 40)
    """
    onnxruntime = require("onnxruntime", "cpu")
    name, provider_options = PROVIDERS[provider], provider_options or {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they also come as exceptions
    options.add_session_config_entry("session.load_model_format", "ONNX")  # otherwise the bytes select the format
    if level is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.__members__[level]
    # One thread per session: the scheduler runs micro-batches in parallel. That is faster on these graphs than ONNX
    # Runtime's own threads, and the bits do not depend on the number of threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # ONNX Runtime's own fallback is off, since it prints to stdout and hides the reason.
    if provider == "cpu":
        try:
            with fork_guard:
                return onnxruntime.InferenceSession(graph, options, providers=[(name, {})], enable_fallback=0)
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            where = f"{source}: " if source else ""
            raise BundleError(f"{where}ONNX Runtime cannot open a graph: {error}; export the bundle again") from error

    settings = {**_OPTIONS.get(provider, {}), **{key: str(value) for key, value in provider_options.items()}}
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    missing = ""
    try:
        if name in (available := onnxruntime.get_available_providers()):
            missing = _preload(onnxruntime) if provider in ("cuda", "tensorrt") else ""
            session = onnxruntime.InferenceSession(graph, options, providers=[(name, settings)], enable_fallback=0)
        elif (devices := plugin_devices(onnxruntime, provider, name)) is None:
            raise ProviderError(
                f"provider {provider} needs ONNX Runtime's {name}; the installed onnxruntime "
                f"{onnxruntime.__version__} has {', '.join(available)}; install it with: {REMEDIES[provider]}"
            )
        elif not devices:
            raise ProviderError(f"provider {provider} is installed, but finds no device on this machine")
        else:
            options.add_provider_for_devices(devices[:1], settings)
            session = onnxruntime.InferenceSession(graph, options)
    except ProviderError:
        raise
    except Exception as error:
        remedy = f"{'check provider_options, or ' if provider_options else ''}install it with: {REMEDIES[provider]}"
        raise ProviderError(f"provider {provider} failed: {' '.join(str(error).split())}{missing}; {remedy}") from error
    if (actual := session.get_providers()[0]) != name:
        raise ProviderError(
            f"provider {provider} was requested, but ONNX Runtime fell back to {actual}: a library is missing or has "
            f"the wrong version{missing}; install it with: {REMEDIES[provider]}"
        )
    if (nodes := nodes_by_provider(session)) is not None and name not in nodes:
        raise ProviderError(
            f"provider {provider} works, but supports no node of the graph: all of it would run on the CPU"
        )
    return session


@functools.cache
def _preload(onnxruntime: Any) -> str:
    """Load the libraries of CUDA and cuDNN from pip's packages, and return the failures as part of a message."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    failures = [line for line in printed.getvalue().splitlines() if "Failed to load" in line]
    return f" ({'; '.join(failures)})" if failures else ""

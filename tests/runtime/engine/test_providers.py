"""Providers: a named provider runs or raises, and only "auto" falls back."""

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import get_args

import numpy as np
import onnxruntime
import pytest

import cvae_runtime as cvae
import cvae_runtime.system
from cvae_runtime._engine.providers import (
    PROVIDERS,
    REMEDIES,
    Provider,
    check_provider,
    nodes_by_provider,
    open_sessions,
)

REMEDY = "pip uninstall onnxruntime; pip install 'cvae-toolkit[gpu]'"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


class FakeOnnxRuntime:
    """A fake of ONNX Runtime with a provider that is compiled in or a plugin, and whose sessions behave as configured.

    Args:
        runs_on: the provider on which sessions run, or the error that opening them raises.
        name: the provider besides the CPU's.
        nodes: the graph's nodes, by provider; None for a version without this information.
        devices: the plugin's devices; None if the provider is compiled in.
        says: the output of preload_dlls.
    """

    __version__ = "9.9.9"

    def __init__(self, runs_on, name=CUDA, nodes=None, devices=None, says=""):
        self.opened, self._runs_on, self._name, self._nodes, self._says = [], runs_on, name, nodes, says
        self._devices = devices
        if devices is not None:
            self.get_ep_devices = lambda: [SimpleNamespace(ep_name=ep) for ep in (CPU, *devices)]

    def get_available_providers(self):
        return [CPU] if self._devices is not None else [self._name, CPU]

    def preload_dlls(self):
        self.opened.append("preload_dlls")
        print(self._says)

    def register_execution_provider_library(self, *library):
        self.opened.append(library)

    class SessionOptions(SimpleNamespace):
        def add_session_config_entry(self, key, value):
            self.config = {key: value}

        def add_provider_for_devices(self, devices, settings):
            self.plugin = ([device.ep_name for device in devices], settings)

    def InferenceSession(self, graph, options, providers=None, enable_fallback=1):
        ((name, settings),) = providers or [(options.plugin[0][0], options.plugin[1])]
        self.opened.append((graph, name, settings, options.intra_op_num_threads, options.inter_op_num_threads))
        assert enable_fallback == (1 if self._devices is not None and name != CPU else 0)
        if name != CPU and isinstance(self._runs_on, Exception):
            raise self._runs_on
        runs_on = [CPU] if CPU in (name, self._runs_on) else [self._runs_on, CPU]
        session = SimpleNamespace(graph=graph, get_providers=lambda: runs_on)
        if self._nodes is not None:
            parts = [SimpleNamespace(ep_name=ep, get_nodes=lambda n=n: [None] * n) for ep, n in self._nodes]
            session.get_provider_graph_assignment_info = lambda: parts
        return session


@pytest.fixture
def fake(monkeypatch):
    def install(*arguments, **settings):
        runtime = FakeOnnxRuntime(*arguments, **settings)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        return runtime

    return install


@pytest.fixture
def plugin(monkeypatch):
    """Return a package with the WebGPU provider."""
    module = ModuleType("onnxruntime_ep_webgpu")
    module.get_library_path = lambda: "webgpu.so"
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_cpu_runs_on_the_cpu(tiny):
    sessions, provider, why = open_sessions(lambda _: [tiny.encoder(), tiny.decoder()], "cpu")
    assert (provider, why) == ("cpu", "requested by name")
    assert [session.get_providers() for session in sessions] == [[CPU], [CPU]]
    z = np.array([[0.5, -1.0, 2.0]], np.float32)
    np.testing.assert_allclose(sessions[1].run(["probs"], {"z": z})[0], tiny.decode(z), atol=1e-6)


def test_auto_without_cuda_is_the_cpu_without_warning(tiny, monkeypatch, caplog):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    (session,), provider, why = open_sessions(lambda _: [tiny.decoder()], "auto")
    assert (provider, session.get_providers()) == ("cpu", [CPU])
    assert why == f"the installed onnxruntime has no {CUDA}"
    assert caplog.records == []


def test_auto_uses_cuda_and_loads_libraries_once(fake, caplog):
    caplog.set_level(logging.INFO)
    runtime = fake(CUDA)
    sessions, provider, why = open_sessions(lambda _: [b"a", b"b"], "auto")
    assert ([session.graph for session in sessions], provider, why) == ([b"a", b"b"], "cuda", "CUDA works here")
    # No TF32, whose outputs would differ, and one thread per session.
    assert runtime.opened == ["preload_dlls", *((graph, CUDA, CUDA_OPTIONS, 1, 1) for graph in (b"a", b"b"))]
    assert [record.getMessage() for record in caplog.records] == ["provider auto: cuda, since CUDA works here"]


@pytest.mark.parametrize(
    ("runs_on", "says", "why"),
    [
        (
            CPU,
            "Failed to load libcublas.so.13: no such file\nPlease follow a link.",
            (
                f"provider cuda was requested, but ONNX Runtime fell back to {CPU}: a library is missing or has the wrong "
                f"version (Failed to load libcublas.so.13: no such file); install it with: {REMEDY}"
            ),
        ),
        (RuntimeError("no\n device "), "", f"provider cuda failed: no device; install it with: {REMEDY}"),
    ],
    ids=["falls-back", "raises"],
)
def test_broken_cuda_raises_by_name_and_warns_by_auto(runs_on, says, why, fake, caplog, refuses, capsys):
    runtime = fake(runs_on, says=says)
    with refuses(cvae.ProviderError, why):
        open_sessions(lambda _: [b"a", b"b"], "cuda")
    assert caplog.records == []
    runtime.opened.clear()
    sessions, provider, reason = open_sessions(lambda _: [b"a", b"b"], "auto")
    assert ([session.graph for session in sessions], provider) == ([b"a", b"b"], "cpu")
    assert reason == f"CUDA does not work: {why}"
    assert runtime.opened[-2:] == [(graph, CPU, {}, 1, 1) for graph in (b"a", b"b")]
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("cvae_runtime", logging.WARNING, f"provider auto: running on the CPU, since CUDA does not work: {why}")
    ]
    assert capsys.readouterr().out == ""  # which may be an image


@pytest.mark.parametrize(("provider", "defaults"), [("coreml", {"ModelFormat": "MLProgram"}), ("directml", {})])
def test_compiled_in_providers_run_by_name_only(provider, defaults, fake):
    runtime = fake(PROVIDERS[provider], PROVIDERS[provider])
    assert open_sessions(lambda _: [b"a"], provider)[1:] == (provider, "requested by name")
    assert open_sessions(lambda _: [b"a"], "auto").provider == "cpu"
    assert [opened[:3] for opened in runtime.opened] == [(b"a", PROVIDERS[provider], defaults), (b"a", CPU, {})]


def test_options_override_defaults(fake, refuses):
    runtime = fake(CUDA)
    open_sessions(lambda _: [b"a"], "cuda", options={"device_id": 1, "use_tf32": 1})
    assert runtime.opened[-1][2] == {**CUDA_OPTIONS, "device_id": "1", "use_tf32": "1"}
    fake(RuntimeError("unknown option"))
    message = f"provider cuda failed: unknown option; check provider_options, or install it with: {REMEDY}"
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [b"a"], "cuda", options={"devce": 1})


@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_options_need_a_named_provider(provider, refuses):
    message = f"provider_options need a named provider other than cpu; found {{'device_id': 1}} for {provider}"
    with refuses(cvae.InputError, message):
        cvae.load(provider=provider, provider_options={"device_id": 1})


def test_a_provider_without_nodes_raises(fake, refuses):
    fake(CUDA, nodes=[(CUDA, 3), (CPU, 1), (CUDA, 2)])
    (session,) = open_sessions(lambda _: [b"a"], "cuda").sessions
    assert nodes_by_provider(session) == {CUDA: 5, CPU: 1}
    fake(CUDA, nodes=[(CPU, 6)])
    with refuses(
        cvae.ProviderError, "provider cuda works, but supports no node of the graph: all of it would run on the CPU"
    ):
        open_sessions(lambda _: [b"a"], "cuda")


@pytest.mark.usefixtures("plugin")
def test_plugins_are_registered_once(fake):
    webgpu = PROVIDERS["webgpu"]
    runtime = fake(webgpu, devices=[webgpu, webgpu])
    for _ in range(2):
        assert open_sessions(lambda _: [b"a"], "webgpu", options={"adapterIndex": 0}).provider == "webgpu"
    assert runtime.opened == [
        ("onnxruntime_ep_webgpu", "webgpu.so"),
        *[(b"a", webgpu, {"adapterIndex": "0"}, 1, 1)] * 2,
    ]


@pytest.mark.usefixtures("plugin")
def test_a_plugin_without_devices(fake, refuses):
    fake(None, devices=[])
    with refuses(cvae.ProviderError, "provider webgpu is installed, but finds no device on this machine"):
        open_sessions(lambda _: [b"a"], "webgpu")


@pytest.mark.parametrize(
    ("provider", "remedy"),
    [
        ("tensorrt", f"{REMEDY} tensorrt"),
        ("openvino", "pip uninstall onnxruntime; pip install onnxruntime-openvino"),
        ("webgpu", "pip install onnxruntime-ep-webgpu"),
        ("coreml", "pip install 'cvae-toolkit[cpu]' on macOS"),
        ("directml", "pip uninstall onnxruntime; pip install onnxruntime-directml on Windows"),
    ],
)
def test_missing_providers_name_the_command(provider, remedy, fake, monkeypatch, refuses):
    for package in ("onnxruntime_ep_openvino", "onnxruntime_ep_webgpu"):
        monkeypatch.setitem(sys.modules, package, None)
    fake(CUDA)
    message = (
        f"provider {provider} needs ONNX Runtime's {PROVIDERS[provider]}; the installed onnxruntime 9.9.9 has "
        f"{CUDA}, {CPU}; install it with: {remedy}"
    )
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [b"a"], provider)


def test_missing_cuda(tiny, monkeypatch, refuses):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["Other", CPU])
    message = (
        f"provider cuda needs ONNX Runtime's {CUDA}; the installed onnxruntime {onnxruntime.__version__} has "
        f"Other, {CPU}; install it with: {REMEDY}"
    )
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [tiny.decoder()], "cuda")


def test_the_names_are_onnx_runtime_s():
    assert set(PROVIDERS.values()) <= set(onnxruntime.get_all_providers())
    assert [get_args(Provider), list(REMEDIES)] == [("auto", *PROVIDERS), list(PROVIDERS)]


@pytest.mark.parametrize("provider", ["gpu", "CPU", "", None])
def test_an_unknown_provider(provider, refuses):
    for call in (check_provider, lambda provider: open_sessions(lambda _: [], provider)):
        with refuses(cvae.InputError, f"provider must be one of auto, {', '.join(PROVIDERS)}; found {provider!r}"):
            call(provider)


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_graph_that_cannot_be_opened(provider, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(cvae.BundleError, match=r"^ONNX Runtime cannot open a graph: .*; export the bundle again$"):
        open_sessions(lambda _: [b"\x08\x08"], provider)


def test_missing_onnxruntime(monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails as if it were not installed
    message = "onnxruntime is not installed; install it with: pip install 'cvae-toolkit[cpu]'"
    with refuses(cvae.MissingExtraError, message):
        cvae.load()


def test_a_folder_left_by_pip_is_not_a_module(tmp_path, monkeypatch, refuses):
    (tmp_path / "left_over").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    message = "left_over is only partly installed; install it with: pip install --force-reinstall --no-deps left_over"
    with refuses(cvae.MissingExtraError, message):
        cvae.system.require("left_over", "cpu")


def test_missing_imports_of_a_dependency(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there_at_all'") as caught:
        cvae.system.require("broken_extra", "cpu")
    assert not isinstance(caught.value, cvae.CvaeError)
    assert cvae.system.require("json", "cpu").dumps([]) == "[]"

"""Providers: what was asked for by name is what runs, and only "auto" may fall back."""

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
    """An ONNX Runtime with a provider compiled in, or as a plugin, whose sessions do what a test wants of them.

    Args:
        runs_on: the provider that sessions run on, or the error that opening them raises.
        name: the provider, beside the CPU's.
        nodes: of a graph, by provider; None for a version that does not tell.
        devices: of the plugin; None if the provider is compiled in.
        says: what preload_dlls prints.
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
    """A package with the WebGPU provider in it."""
    module = ModuleType("onnxruntime_ep_webgpu")
    module.get_library_path = lambda: "webgpu.so"
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_cpu_runs_on_the_cpu(tiny):
    sessions, provider, why = open_sessions(lambda _: [tiny.encoder(), tiny.decoder()], "cpu")
    assert (provider, why) == ("cpu", "asked for by name")
    assert [session.get_providers() for session in sessions] == [[CPU], [CPU]]
    z = np.array([[0.5, -1.0, 2.0]], np.float32)
    np.testing.assert_allclose(sessions[1].run(["probs"], {"z": z})[0], tiny.decode(z), atol=1e-6)


def test_auto_without_cuda_is_the_cpu_and_needs_no_word_of_it(tiny, monkeypatch, caplog):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    (session,), provider, why = open_sessions(lambda _: [tiny.decoder()], "auto")
    assert (provider, session.get_providers()) == ("cpu", [CPU])
    assert why == f"the installed onnxruntime has no {CUDA}"
    assert caplog.records == []


def test_auto_takes_cuda_where_it_works_and_loads_its_libraries_once(fake, caplog):
    caplog.set_level(logging.INFO)
    runtime = fake(CUDA)
    sessions, provider, why = open_sessions(lambda _: [b"a", b"b"], "auto")
    assert ([session.graph for session in sessions], provider, why) == ([b"a", b"b"], "cuda", "CUDA works here")
    # Without TF32, which would give other numbers, and on one thread: the scheduler has the others.
    assert runtime.opened == ["preload_dlls", *((graph, CUDA, CUDA_OPTIONS, 1, 1) for graph in (b"a", b"b"))]
    assert [record.getMessage() for record in caplog.records] == ["provider auto: cuda, since CUDA works here"]


@pytest.mark.parametrize(
    ("runs_on", "says", "why"),
    [
        (
            CPU,
            "Failed to load libcublas.so.13: no such file\nPlease follow a link.",
            (
                f"provider cuda was asked for and ONNX Runtime fell back to {CPU}: what it needs is missing or of another "
                f"version (Failed to load libcublas.so.13: no such file); install it with: {REMEDY}"
            ),
        ),
        (RuntimeError("no\n device "), "", f"provider cuda failed: no device; install it with: {REMEDY}"),
    ],
    ids=["falls-back", "raises"],
)
def test_cuda_that_does_not_work_is_an_error_by_name_and_a_warning_by_auto(
    runs_on, says, why, fake, caplog, refuses, capsys
):
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
    assert capsys.readouterr().out == ""  # which may be a picture


@pytest.mark.parametrize(("provider", "defaults"), [("coreml", {"ModelFormat": "MLProgram"}), ("directml", {})])
def test_any_provider_that_is_compiled_in_is_taken_by_name_only(provider, defaults, fake):
    runtime = fake(PROVIDERS[provider], PROVIDERS[provider])
    assert open_sessions(lambda _: [b"a"], provider)[1:] == (provider, "asked for by name")
    assert open_sessions(lambda _: [b"a"], "auto").provider == "cpu"
    assert [opened[:3] for opened in runtime.opened] == [(b"a", PROVIDERS[provider], defaults), (b"a", CPU, {})]


def test_options_pass_through_and_replace_ours(fake, refuses):
    runtime = fake(CUDA)
    open_sessions(lambda _: [b"a"], "cuda", options={"device_id": 1, "use_tf32": 1})
    assert runtime.opened[-1][2] == {**CUDA_OPTIONS, "device_id": "1", "use_tf32": "1"}
    fake(RuntimeError("unknown option"))
    message = f"provider cuda failed: unknown option; check provider_options, or install it with: {REMEDY}"
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [b"a"], "cuda", options={"devce": 1})


@pytest.mark.parametrize("provider", ["auto", "cpu"])
def test_options_without_a_provider_that_takes_some_are_refused(provider, refuses):
    message = (
        "provider_options are for a provider that takes some, asked for by name; "
        f"found {{'device_id': 1}} for {provider}"
    )
    with refuses(cvae.InputError, message):
        cvae.load(provider=provider, provider_options={"device_id": 1})


def test_a_provider_that_takes_no_node_is_not_what_was_asked_for(fake, refuses):
    fake(CUDA, nodes=[(CUDA, 3), (CPU, 1), (CUDA, 2)])
    (session,) = open_sessions(lambda _: [b"a"], "cuda").sessions
    assert nodes_by_provider(session) == {CUDA: 5, CPU: 1}
    fake(CUDA, nodes=[(CPU, 6)])
    with refuses(
        cvae.ProviderError, "provider cuda works and takes no part of the graph: all of it would run on the CPU"
    ):
        open_sessions(lambda _: [b"a"], "cuda")


@pytest.mark.usefixtures("plugin")
def test_a_provider_in_a_package_of_its_own_is_registered_once(fake):
    webgpu = PROVIDERS["webgpu"]
    runtime = fake(webgpu, devices=[webgpu, webgpu])
    for _ in range(2):
        assert open_sessions(lambda _: [b"a"], "webgpu", options={"adapterIndex": 0}).provider == "webgpu"
    assert runtime.opened == [
        ("onnxruntime_ep_webgpu", "webgpu.so"),
        *[(b"a", webgpu, {"adapterIndex": "0"}, 1, 1)] * 2,
    ]


@pytest.mark.usefixtures("plugin")
def test_a_package_that_finds_no_device_says_so(fake, refuses):
    fake(None, devices=[])
    with refuses(cvae.ProviderError, "provider webgpu is installed and finds no device here that it can run on"):
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
def test_each_provider_that_is_not_there_names_what_installs_it(provider, remedy, fake, monkeypatch, refuses):
    for package in ("onnxruntime_ep_openvino", "onnxruntime_ep_webgpu"):
        monkeypatch.setitem(sys.modules, package, None)
    fake(CUDA)
    message = (
        f"provider {provider} needs ONNX Runtime's {PROVIDERS[provider]}; the installed onnxruntime 9.9.9 has "
        f"{CUDA}, {CPU}; install it with: {remedy}"
    )
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [b"a"], provider)


def test_cuda_that_is_not_there_says_what_is_and_what_installs_it(tiny, monkeypatch, refuses):
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
def test_an_unknown_provider_is_refused(provider, refuses):
    for call in (check_provider, lambda provider: open_sessions(lambda _: [], provider)):
        with refuses(cvae.InputError, f"provider must be one of auto, {', '.join(PROVIDERS)}; found {provider!r}"):
            call(provider)


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_graph_that_onnx_runtime_refuses_is_the_bundle_s_fault(provider, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(cvae.BundleError, match=r"^ONNX Runtime refuses a graph: .*; export the bundle again$"):
        open_sessions(lambda _: [b"\x08\x08"], provider)


def test_without_onnx_runtime_the_first_load_says_what_installs_it(monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails as if it were not there
    message = "onnxruntime is not installed; install it with: pip install 'cvae-toolkit[cpu]'"
    with refuses(cvae.MissingExtraError, message):
        cvae.load()


def test_a_folder_that_pip_left_is_not_taken_for_a_module(tmp_path, monkeypatch, refuses):
    (tmp_path / "left_over").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    message = "left_over is only partly installed; install it with: pip install --force-reinstall --no-deps left_over"
    with refuses(cvae.MissingExtraError, message):
        cvae.system.require("left_over", "cpu")


def test_what_an_installed_module_lacks_itself_is_not_blamed_on_the_extra(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there_at_all'") as caught:
        cvae.system.require("broken_extra", "cpu")
    assert not isinstance(caught.value, cvae.CvaeError)
    assert cvae.system.require("json", "cpu").dumps([]) == "[]"

"""Providers: what was asked for by name is what runs, and only "auto" may fall back."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

import cvae_runtime as cvae
from cvae_runtime import _providers
from cvae_runtime._providers import check_provider, open_sessions

REMEDY = "pip uninstall onnxruntime; pip install 'cvae-toolkit[gpu]'"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class FakeOnnxRuntime:
    """An ONNX Runtime with CUDA compiled in, whose sessions do what a test wants of them."""

    __version__ = "9.9.9"

    def __init__(self, cuda):
        self.opened, self._cuda = [], cuda

    def get_available_providers(self):
        return [CUDA, CPU]

    def preload_dlls(self):
        self.opened.append("preload_dlls")

    SessionOptions = SimpleNamespace

    def InferenceSession(self, graph, options, providers):
        ((name, settings),) = providers
        self.opened.append((graph, name, settings, options.intra_op_num_threads, options.inter_op_num_threads))
        if name == CUDA and isinstance(self._cuda, Exception):
            raise self._cuda
        runs_on = self._cuda if name == CUDA else name
        return SimpleNamespace(graph=graph, get_providers=lambda: [runs_on])


@pytest.fixture
def fake(monkeypatch):
    def install(cuda):
        runtime = FakeOnnxRuntime(cuda)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        return runtime

    return install


def test_the_cpu_runs_on_the_cpu(tiny):
    sessions, provider = open_sessions(lambda _: [tiny.encoder(), tiny.decoder()], "cpu")
    assert provider == "cpu"
    assert [session.get_providers() for session in sessions] == [[CPU], [CPU]]
    z = np.array([[0.5, -1.0, 2.0]], np.float32)
    np.testing.assert_allclose(sessions[1].run(["probs"], {"z": z})[0], tiny.decode(z), atol=1e-6)


def test_auto_without_cuda_is_the_cpu_and_needs_no_word_of_it(tiny, monkeypatch, caplog):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    (session,), provider = open_sessions(lambda _: [tiny.decoder()], "auto")
    assert (provider, session.get_providers()) == ("cpu", [CPU])
    assert caplog.records == []


def test_auto_takes_cuda_where_it_works(fake, caplog):
    runtime = fake(CUDA)
    sessions, provider = open_sessions(lambda _: [b"a", b"b"], "auto")
    assert ([session.graph for session in sessions], provider) == ([b"a", b"b"], "cuda")
    # Without TF32, which would give other numbers, and on one thread: the scheduler has the others.
    opened = [(graph, CUDA, {"use_tf32": "0"}, 1, 1) for graph in (b"a", b"b")]
    assert runtime.opened == ["preload_dlls", opened[0], "preload_dlls", opened[1]]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("cuda", "why"),
    [
        (
            CPU,
            (
                f"provider cuda was asked for and ONNX Runtime fell back to {CPU}: CUDA or cuDNN is missing or of "
                f"another version; install them with: {REMEDY}"
            ),
        ),
        (RuntimeError("no device"), f"provider cuda failed: no device; install it with: {REMEDY}"),
    ],
    ids=["falls-back", "raises"],
)
def test_cuda_that_does_not_work_is_an_error_by_name_and_a_warning_by_auto(cuda, why, fake, caplog, refuses):
    runtime = fake(cuda)
    with refuses(cvae.ProviderError, why):
        open_sessions(lambda _: [b"a", b"b"], "cuda")
    assert caplog.records == []
    runtime.opened.clear()
    sessions, provider = open_sessions(lambda _: [b"a", b"b"], "auto")
    assert ([session.graph for session in sessions], provider) == ([b"a", b"b"], "cpu")
    assert runtime.opened[-2:] == [(graph, CPU, {}, 1, 1) for graph in (b"a", b"b")]
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("cvae_runtime", logging.WARNING, f"provider auto: running on the CPU, since CUDA does not work: {why}")
    ]


def test_cuda_that_is_not_there_says_what_is_and_what_installs_it(tiny, monkeypatch, refuses):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["Other", CPU])
    message = (
        f"provider cuda needs ONNX Runtime's {CUDA}; the installed onnxruntime {onnxruntime.__version__} has "
        f"Other, {CPU}; install it with: {REMEDY}"
    )
    with refuses(cvae.ProviderError, message):
        open_sessions(lambda _: [tiny.decoder()], "cuda")


@pytest.mark.parametrize("provider", ["gpu", "CPU", "", None])
def test_an_unknown_provider_is_refused(provider, refuses):
    for call in (check_provider, lambda provider: open_sessions(lambda _: [], provider)):
        with refuses(cvae.InputError, f"provider must be one of auto, cpu, cuda; found {provider!r}"):
            call(provider)


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_graph_that_onnx_runtime_refuses_is_the_bundle_s_fault(provider, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(cvae.BundleError, match=r"^ONNX Runtime refuses a graph: .*; export the bundle again$"):
        open_sessions(lambda _: [b"\x08\x08"], provider)


def test_without_onnx_runtime_the_first_load_says_what_installs_it(monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails as if it were not there
    message = "onnxruntime is not installed; it comes with: pip install 'cvae-toolkit[cpu]'"
    with refuses(cvae.MissingExtraError, message):
        cvae.load()


def test_what_an_installed_module_lacks_itself_is_not_blamed_on_the_extra(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there_at_all'") as caught:
        cvae.require("broken_extra", "cpu")
    assert not isinstance(caught.value, cvae.CvaeError)
    assert cvae.require("json", "cpu").dumps([]) == "[]"


def test_providers_and_their_names_go_together():
    assert _providers.PROVIDERS == {"cpu": CPU, "cuda": CUDA}

"""``cvae-doctor``: diagnosis and fixes, on real sessions and on fakes that fail."""

import dataclasses
import json
import os
import sys
from types import ModuleType, SimpleNamespace

import onnxruntime
import pytest

import cvae_runtime as cvae
import cvae_runtime.system
from cvae_runtime import cli
from cvae_runtime._commands import diagnose as _doctor
from cvae_runtime._commands import doctor as _cli_doctor
from cvae_runtime._commands.diagnose import Problem, Trial, diagnose
from cvae_runtime._engine.providers import PROVIDERS, REMEDIES, _preload

CPU, CUDA, OPENVINO = (PROVIDERS[name] for name in ("cpu", "cuda", "openvino"))
InferenceSession = onnxruntime.InferenceSession


@pytest.fixture(autouse=True)
def _libraries_are_looked_for_anew():
    """Libraries are loaded once in a process, and other tests were in it."""
    _preload.cache_clear()


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with one ONNX Runtime, no GPU and no plugins; the test's own is of no interest."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr(_doctor, "_distributions", lambda: ["onnxruntime"])
    monkeypatch.setattr(_doctor, "_nvidia", list)
    for package in ("onnxruntime_ep_openvino", "onnxruntime_ep_webgpu"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.fixture
def bundle():
    return cvae.read_bundle()


@pytest.fixture
def compiled_in(monkeypatch):
    """Add a provider to ONNX Runtime whose sessions are what a test makes of the CPU's."""

    def compiled_in(name, open_session):
        def session(graph, options, providers, **_):
            on_the_cpu = InferenceSession(graph, options, providers=[CPU])
            return on_the_cpu if providers[0][0] == CPU else open_session(on_the_cpu)

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider", name, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.13: not there"))

    return compiled_in


@pytest.fixture
def doctor(monkeypatch, capfd):
    def doctor(*arguments):
        monkeypatch.setattr(sys, "argv", ["cvae-doctor", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.run(_cli_doctor.command)
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return doctor


def test_a_machine_where_the_cpu_works_has_no_problem(bundle):
    found = diagnose(bundle)
    assert found.problems == []
    assert found.onnxruntimes == {"onnxruntime": onnxruntime.__version__}
    assert found.versions["onnxruntime"] == onnxruntime.__version__
    assert found.threads["allowed"] == cvae.system.allowed_cores() <= found.threads["affinity"]
    assert found.memory > 0
    assert len(found.devices) == 1
    (trial,) = found.trials
    assert (trial.provider, trial.works, trial.nodes) == ("cpu", True, None)
    assert 0.0 <= trial.worst <= 1.0


def test_a_fallback_reports_the_libraries_errors(bundle, compiled_in, capfd):
    def fall_back(session):
        os.write(2, b"[E:onnxruntime] FAIL : Failed to load library x.so with error: libcudnn.so.9: not there\n")
        os.write(2, b"[W:onnxruntime] Failed. Require cuDNN 9.* and CUDA 13.*. Please install all dependencies\n")
        return session

    compiled_in(CUDA, fall_back)
    found = diagnose(bundle)
    what = (
        f"provider cuda was requested, but ONNX Runtime fell back to {CPU}: a library is missing or has the wrong version "
        "(Failed to load libcublas.so.13: not there); libcudnn.so.9: not there; Require cuDNN 9.* and CUDA 13.*"
    )
    assert found.problems == [Problem(what, "pip install 'cvae-toolkit[gpu]'")]
    assert [(trial.provider, trial.works) for trial in found.trials] == [("cpu", True), ("cuda", False)]
    assert found.trials[1] == Trial("cuda", False, None, None)
    assert found.unused == ["AzureExecutionProvider"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        (
            "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version",
            "update NVIDIA's driver, or pip install 'onnxruntime-gpu[cuda,cudnn]<1.28'",
        ),
        ("CUDA failure 100: no CUDA-capable device", "give this process a GPU: docker run --gpus all, for example"),
        ("Please install TensorRT libraries", "pip install 'cvae-toolkit[gpu]' tensorrt"),
        ("libcudnn_graph.so.9: wrong version", "pip install 'cvae-toolkit[gpu]'"),
        ("below the minimum required version", "pip install --upgrade onnxruntime"),
        ("something new", REMEDIES["openvino"]),
    ],
)
def test_errors_select_the_fix(said, fix, bundle, compiled_in):
    def refuse(_):
        raise RuntimeError(said)

    compiled_in(OPENVINO, refuse)
    assert diagnose(bundle).problems == [Problem(f"provider openvino failed: {said}", fix)]


def test_a_parity_failure_is_a_problem(bundle, compiled_in):
    name = PROVIDERS["directml"]

    def off_by_a_tenth(session):
        return SimpleNamespace(
            get_providers=lambda: [name, CPU],
            get_provider_options=lambda: {name: {}},
            get_inputs=session.get_inputs,
            get_outputs=session.get_outputs,
            run=lambda outputs, inputs: [array + 0.1 for array in session.run(outputs, inputs)],
        )

    compiled_in(name, off_by_a_tenth)
    found = diagnose(bundle)
    assert (found.trials[1].provider, found.trials[1].works) == ("directml", False)
    assert found.trials[1].worst > 1000.0
    assert found.problems[-1] == Problem(
        "provider directml: noise of prior_density.onnx differs by 1.0e-01, tolerance 1.0e-03",
        'use provider="cpu" or --provider cpu where exact numbers matter',
    )


@pytest.mark.parametrize(
    ("installed", "keep"),
    [
        (["onnxruntime", "onnxruntime-gpu"], "'cvae-toolkit[gpu]'"),
        (["onnxruntime", "onnxruntime-openvino"], "onnxruntime-openvino"),
    ],
)
def test_two_onnx_runtimes_are_a_problem(installed, keep, bundle, monkeypatch):
    monkeypatch.setattr(_doctor, "_distributions", lambda: installed)
    found = diagnose(bundle)
    what = f"{installed[0]} and {installed[1]} are installed together and overwrite each other's files"
    assert found.problems == [Problem(what, f"pip uninstall {' '.join(installed)}; pip install {keep}")]
    assert [trial.works for trial in found.trials] == [True]


def test_distributions_are_found_by_module(monkeypatch):
    monkeypatch.undo()
    names = {"onnxruntime": ["onnxruntime-gpu", "onnxruntime", "onnxruntime"], "numpy": ["numpy"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: names)
    assert _doctor._distributions() == ["onnxruntime", "onnxruntime-gpu"]


def test_a_gpu_that_onnx_runtime_cannot_use_is_a_problem(bundle, monkeypatch):
    monkeypatch.setattr(_doctor, "_nvidia", lambda: ["NVIDIA H100, 580.1, 81559 MiB"])
    found = diagnose(bundle)
    assert found.devices[1:] == ["NVIDIA H100, 580.1, 81559 MiB"]
    what = f"found a GPU (NVIDIA H100, 580.1, 81559 MiB), but the installed onnxruntime has no {CUDA}"
    assert found.problems == [Problem(what, REMEDIES["cuda"])]


@pytest.mark.parametrize(("body", "found"), [("echo 'T4, 1.2, 3 MiB'", ["T4, 1.2, 3 MiB"]), ("exit 9", [])])
def test_gpus_come_from_nvidia_smi(body, found, tmp_path, monkeypatch):
    monkeypatch.undo()
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{body}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _doctor._nvidia() == found
    tool.unlink()
    assert _doctor._nvidia() == []


def test_a_plugin_without_a_device_is_a_problem(bundle, monkeypatch):
    module = ModuleType("onnxruntime_ep_webgpu")
    module.get_library_path = lambda: "webgpu.so"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda *_: None)
    found = diagnose(bundle)
    assert [(trial.provider, trial.works) for trial in found.trials] == [("cpu", True), ("webgpu", False)]
    assert found.problems == [
        Problem(
            "provider webgpu is installed, but finds no device on this machine",
            "on Debian and Ubuntu: apt install libvulkan1 mesa-vulkan-drivers",
        )
    ]


def test_a_missing_onnx_runtime_is_a_problem(doctor, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(_doctor, "_distributions", list)
    code, out, err = doctor()
    assert (code, err) == (4, "")
    assert "onnxruntime   not installed\n" in out
    assert out.endswith("\n\nproblem: onnxruntime is not installed\n    fix: pip install 'cvae-toolkit[cpu]'\n")


def test_a_broken_onnx_runtime_is_a_problem(bundle, monkeypatch):
    def broken(_module, _extra):
        raise ImportError("DLL load failed")

    monkeypatch.setattr(_doctor, "require", broken)
    found = diagnose(bundle)
    assert (found.trials, found.unused) == ([], [])
    fix = "pip uninstall onnxruntime; pip install 'cvae-toolkit[cpu]'"
    assert found.problems == [Problem("DLL load failed", fix)]


def test_it_prints_what_it_finds(doctor, compiled_in, bundle):
    compiled_in(CUDA, lambda session: session)
    code, out, err = doctor()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    found = diagnose(bundle)
    assert f"onnxruntime   {onnxruntime.__version__}" in lines
    assert f"installed     onnxruntime {onnxruntime.__version__}" in lines
    assert (
        f"cpu           works, golden vectors differ by up to {found.trials[0].worst:.2g} of their tolerance" in lines
    )
    assert "cuda          FAILS" in lines
    assert "not used      AzureExecutionProvider" in lines
    assert lines[-3:] == ["", f"problem: {found.problems[0].what}", f"    fix: {found.problems[0].fix}"]


def test_threads_and_nodes_are_printed():
    trial = Trial("openvino", True, {OPENVINO: 12, CPU: 1}, 0.0051)
    threads = {"allowed": 2, "affinity": 4, "quota": 1.5}
    text = _cli_doctor.as_text(
        _doctor.Diagnosis({"numpy": "2.0"}, {}, threads, 3 << 29, ["A CPU"], ["AVX2"], [trial], [], [])
    )
    assert text.splitlines() == [
        "numpy         2.0",
        "threads       2 (affinity 4, quota 1.5)",
        "memory        1.5 GiB available",
        "device        A CPU",
        "instructions  AVX2: 16-bit sums of int8 graphs can overflow; derived recipes train in float32",
        f"openvino      works, golden vectors differ by up to 0.0051 of their tolerance, nodes of the decoder: 12 on {OPENVINO}, 1 on {CPU}",
    ]


@pytest.mark.parametrize(
    ("instructions", "lines"),
    [
        ([], []),
        (
            ["AVX2", "AVX-512", "VNNI", "bfloat16"],
            [
                "AVX2, AVX-512, VNNI, bfloat16: sums of int8 graphs cannot overflow; derived recipes train in bfloat16",
            ],
        ),
    ],
)
def test_instructions_of_the_processor_are_explained(instructions, lines):
    found = _doctor.Diagnosis({}, {}, {"allowed": 1, "affinity": 1, "quota": None}, 0, [], instructions, [], [], [])
    text = _cli_doctor.as_text(found).splitlines()
    assert text[2:] == [f"instructions  {line}" for line in lines]


def test_json_has_every_field(doctor, bundle):
    code, out, err = doctor("--json")
    assert (code, err) == (0, "")
    found, expected = json.loads(out), dataclasses.asdict(diagnose(bundle))
    assert abs(found.pop("memory") - expected.pop("memory")) < 1 << 33
    assert found == expected

"""Receipts: the request, and what ran."""

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

import cvae_runtime as cvae
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime._engine.providers import Opened
from cvae_runtime._engine.receipt import distribution_version, make_receipt, versions

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
VERSIONS = {
    "cvae-toolkit": importlib.metadata.version("cvae-toolkit"),
    "onnxruntime": onnxruntime.__version__,
    "numpy": np.__version__,
    "python": platform.python_version(),
}


def graph(role, micro_batch, precision="float32", why=None):
    return {
        "file": f"{role}.onnx",
        "precision": precision,
        "why": why,
        "micro_batch": micro_batch,
        "providers": [CPU],
        "nodes": None,
    }


def test_contents_of_a_receipt(tiny_bundle):
    with cvae.load(tiny_bundle, provider="cpu", threads=3) as model:
        receipt = model.receipt()
    assert receipt == {
        "bundle": {
            "path": str(tiny_bundle),
            "manifest_sha256": hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest(),
        },
        "provider": {"requested": "cpu", "actual": "cpu", "why": "requested by name", "options": {}},
        "precision": "float32",
        "threads": 3,
        "graphs": {"encoder": graph("encoder", 32), "decoder": graph("decoder", 32)},
        "versions": VERSIONS,
    }
    assert json.loads(json.dumps(receipt)) == receipt


def test_auto_states_the_reason(tiny_bundle, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with cvae.load(tiny_bundle) as model:
        assert model.receipt()["provider"] == {
            "requested": "auto",
            "actual": "cpu",
            "why": f"the installed onnxruntime has no {CUDA}",
            "options": {},
        }


def test_a_role_without_the_precision():
    with cvae.load(NOTEBOOK, provider="cpu", precision="int8") as model:
        receipt = model.receipt()
    found = {role: (part["file"], part["precision"], part["why"]) for role, part in receipt["graphs"].items()}
    assert receipt["precision"] == "int8"
    assert found == {
        "encoder": ("encoder.onnx", "float32", "the bundle has no int8 encoder for this provider"),
        "decoder": ("decoder_cpu_int8.onnx", "int8", None),
    }


def test_options_and_nodes_of_the_session(bundles):
    parts = [SimpleNamespace(ep_name=name, get_nodes=lambda n=n: [None] * n) for name, n in [(CUDA, 4), (CPU, 1)]]
    session = SimpleNamespace(
        get_providers=lambda: [CUDA, CPU],
        get_provider_options=lambda: {CUDA: {"device_id": "1"}, CPU: {}},
        get_provider_graph_assignment_info=lambda: parts,
    )
    opened = Opened([session], "cuda", "CUDA works here")
    graphs = {"decoder": bundles.manifest().graphs[1]}
    engines = SimpleNamespace(graphs=graphs, opened=opened, micro_batches={"decoder": 256})
    receipt = make_receipt(Path("b"), "12ab", engines, requested="auto", precision="float32", threads=1)
    assert receipt["provider"]["options"] == {"device_id": "1"}
    assert receipt["graphs"] == {
        "decoder": {**graph("decoder", 256), "providers": [CUDA, CPU], "nodes": {CUDA: 4, CPU: 1}}
    }


def test_missing_packages_have_no_version(monkeypatch):
    assert versions() == VERSIONS
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert versions() == {**VERSIONS, "onnxruntime": None}
    assert distribution_version("no-such-distribution") is None


def test_the_hash_of_a_replaced_bundle(tiny_bundle):
    bundle = cvae.read_bundle(tiny_bundle)
    assert bundle.sha256 == hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    assert dataclasses.replace(bundle, files={}).sha256 == bundle.sha256


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        ([], {"seed": 0, "first": 0, "count": 16, "temperature": 1.0}),
        (
            ["-n", "3", "--seed", "7", "--first", "5", "--temperature", "0"],
            {"seed": 7, "first": 5, "count": 3, "temperature": 0.0},
        ),
        (["--latents", "z.npy"], {"latents": "z.npy"}),
        (["--reconstruct", "x.npy"], {"reconstruct": ["x.npy"]}),
    ],
    ids=["defaults", "samples", "latents", "reconstruct"],
)
def test_commands_write_receipts_with_the_request(arguments, request_, run, tiny, tiny_bundle, tmp_path):
    np.save(tmp_path / "z.npy", np.zeros((2, 3), np.float32))
    np.save(tmp_path / "x.npy", tiny.images)
    assert run(tiny_bundle, *arguments, "--threads", 2, "-o", "a.png", "--receipt", "r.json") == (0, b"", "")
    receipt = json.loads((tmp_path / "r.json").read_text())
    assert receipt.pop("request") == request_
    with cvae.load(tiny_bundle, threads=2) as model:
        assert receipt == model.receipt()


def test_an_existing_receipt_is_kept(run, tiny_bundle, tmp_path):
    (tmp_path / "r.json").write_text("old")
    message = "Error: r.json exists already; choose another name or pass --overwrite\n"
    assert run(tiny_bundle, "--receipt", "r.json") == (1, b"", message)
    assert not (tmp_path / "samples.png").exists()
    assert run(tiny_bundle, "--receipt", "r.json", "--overwrite") == (0, b"", "")
    assert json.loads((tmp_path / "r.json").read_text())["threads"] >= 1

"""``cvae-verify``: its findings, output and exit codes; without the export extra."""

import dataclasses
import functools
import json

import numpy as np
import onnxruntime
import pytest

import cvae_runtime
from cvae_runtime import packaged_bundle, read_bundle
from cvae_runtime._commands.verify import check_everywhere, command
from cvae_runtime.bundle import Golden, GoldenCase, GoldenLatents, parse_golden
from tests.bundle_files import replace_file

LATENTS = cvae_runtime.prior_latents(0, 0, 4, 3)
LEVELS = list(onnxruntime.GraphOptimizationLevel.__members__)


@pytest.fixture
def bundle(bundles, tiny, tmp_path):
    """A bundle with golden vectors that a test may change."""
    golden = Golden(
        (
            GoldenCase(
                "encoder.onnx",
                {"images": tiny.images},
                dict(zip(("mean", "logvar"), tiny.encode(tiny.images), strict=True)),
                1e-4,
            ),
            GoldenCase("decoder.onnx", {"z": LATENTS}, {"probs": tiny.decode(LATENTS).astype(np.float32)}, 1e-4),
        ),
        tuple(GoldenLatents(seed, 0, 2, 3, cvae_runtime.prior_latents(seed, 0, 2, 3)) for seed in (0, 7)),
    )
    return bundles.write(tmp_path / "bundle", golden=golden.to_json().encode())


@pytest.fixture
def verify(monkeypatch, whole_console):
    """A function that runs the console script in this process: exit code, stdout, stderr. CUDA is not available."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    return lambda *arguments: whole_console(command, "cvae-verify", *arguments)


def change_golden(bundle, change):
    golden = parse_golden((bundle / "golden.json").read_bytes(), "golden.json")
    replace_file(bundle, "golden.json", change(golden).to_json().encode())


def a_bit_off(golden):
    """Golden vectors with a decoder output that differs from the graph's."""
    encoder, decoder = golden.cases
    outputs = {"probs": decoder.outputs["probs"] + np.float32(0.01)}
    return dataclasses.replace(golden, cases=(encoder, dataclasses.replace(decoder, outputs=outputs)))


def test_bundle_agrees_with_its_golden_vectors(verify, bundle):
    code, out, err = verify(bundle)
    header, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert header.split() == ["graph", "output", "provider", "worst", "level", "difference", "tolerance"]
    rows = [line.split() for line in lines]
    assert [row[:3] for row in rows[:3]] == [
        ["encoder.onnx", "mean", "cpu"],
        ["encoder.onnx", "logvar", "cpu"],
        ["decoder.onnx", "probs", "cpu"],
    ]
    assert all(row[3] in LEVELS for row in rows[:3])
    assert [row[0] for row in rows[3:]] == ["rng"] * 2


def test_default_is_the_packaged_bundle(verify):
    assert verify("--quiet") == (0, "", "")
    assert "decoder.onnx" in verify()[1]


def test_json_matches_the_table(verify, bundle):
    code, out, err = verify(bundle, "--json")
    report = json.loads(out)
    assert (code, err, report["bundle"], report["agrees"]) == (0, "", str(bundle), True)
    decoder, rng = report["golden"][2], report["golden"][3]
    assert decoder["worst_level"] in LEVELS
    assert {key: decoder[key] for key in ("graph", "output", "provider", "agrees")} == {
        "graph": "decoder.onnx",
        "output": "probs",
        "provider": "cpu",
        "agrees": True,
    }
    assert 0.0 <= decoder["difference"] < decoder["tolerance"] == pytest.approx(1e-4)
    assert rng == {"graph": "rng", "output": "seed 0, in ulp", "provider": None, "worst_level": None, "difference": 0.0, "tolerance": 1.0, "agrees": True}  # fmt: skip


def test_a_graph_that_disagrees_exits_3_with_the_table(verify, bundle):
    change_golden(bundle, a_bit_off)
    code, out, err = verify(bundle)
    assert (code, err) == (
        3,
        (
            f"Error: {bundle}: expected the outputs of its golden vectors, found 1 of 5 that differ; "
            f"use another --provider or version of ONNX Runtime, or export the bundle again\n"
        ),
    )
    assert [line.split()[:2] for line in out.splitlines() if line.endswith("  FAILS")] == [["decoder.onnx", "probs"]]
    assert verify(bundle, "-q")[::2] == (code, err)


def test_an_output_that_is_nan_fails_and_is_null_in_json(verify, bundle):
    def change(golden):
        outputs = {"probs": golden.cases[1].outputs["probs"] * np.float32(np.nan)}
        return dataclasses.replace(
            golden, cases=(golden.cases[0], dataclasses.replace(golden.cases[1], outputs=outputs))
        )

    change_golden(bundle, change)
    code, out, _ = verify(bundle, "--json")
    assert code == 3
    assert [(row["difference"], row["agrees"]) for row in json.loads(out)["golden"]][2] == (None, False)


def test_a_fault_at_one_level_is_found_there(bundle, monkeypatch):
    calls = []

    def check_golden(contents, provider, level):
        calls.append((provider, level))
        off = 1.0 if level == "ORT_ENABLE_BASIC" else 0.0
        results = cvae_runtime.check_golden(contents)
        return [dataclasses.replace(r, difference=r.difference + off) if r.file != "rng" else r for r in results]

    monkeypatch.setattr("cvae_runtime._commands.verify.check_golden", check_golden)
    checks = check_everywhere(read_bundle(bundle), "cpu")
    assert calls == [("cpu", level) for level in LEVELS]
    assert [(check.provider, check.level, check.result.agrees) for check in checks] == [
        *[("cpu", "ORT_ENABLE_BASIC", False)] * 3,
        *[(None, None, True)] * 2,
    ]


def test_missing_golden_vectors_exit_5(verify, bundle):
    change_golden(bundle, lambda golden: Golden(golden.cases[:1], golden.rng))
    message = "expected golden vectors for every graph, found none for decoder.onnx; export the bundle again"
    assert verify(bundle) == (5, "", f"Error: {bundle / 'golden.json'}: {message}\n")


def test_a_damaged_bundle_exits_5(verify, bundle):
    data = bytearray((bundle / "decoder.onnx").read_bytes())
    data[100] ^= 1
    (bundle / "decoder.onnx").write_bytes(data)
    code, out, err = verify(bundle)
    assert (code, out) == (5, "")
    assert err.startswith(f"Error: {bundle / 'decoder.onnx'}: expected SHA-256 ")


def test_missing_provider_exits_4(verify, bundle):
    code, out, err = verify(bundle, "--provider", "cuda")
    assert (code, out) == (4, "")
    assert err.startswith("Error: provider cuda needs ONNX Runtime's CUDAExecutionProvider; the installed onnxruntime ")


def test_broken_provider_is_skipped_with_a_warning(bundle, monkeypatch, caplog):
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    session = onnxruntime.InferenceSession
    on_the_cpu = functools.partial(session, providers=providers[1:])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda graph, options, **_: on_the_cpu(graph, options))
    checks = check_everywhere(read_bundle(bundle))
    assert {check.provider for check in checks} == {"cpu", None}
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "not run on cuda: provider cuda was requested, but ONNX Runtime fell back to "
    )


def test_golden_vectors_need_no_export_extra(without_export):
    result = without_export("verify", packaged_bundle())
    assert (result.returncode, result.stderr) == (0, "")
    assert "decoder.onnx" in result.stdout

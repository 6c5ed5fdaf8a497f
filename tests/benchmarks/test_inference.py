import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

import cvae_runtime
import cvae_train
from benchmarks import __main__ as command
from benchmarks import _ceiling, inference
from benchmarks._harness import Result, compare
from benchmarks.peers import _prepare, inputs, plain_graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What peers find."""
    made = str(tmp_path_factory.mktemp("peers"))
    _prepare.prepare(made)
    return made


@pytest.mark.parametrize("name", inference.PEERS)
def test_peers_of_a_task_compute_the_same(folder, name):
    # A reconstruction takes encoder and decoder; what runs a graph or the Keras model has no encoder of its own to be wrong.
    written_here = name in ("PyTorch, eager", "JAX, jit", inference.OURS)
    for task in ["encoding", "reconstruction"] if written_here else ["reconstruction"]:
        for contender in inference.contenders(task, folder, [name]):
            if contender.name != name:
                continue
            expected = inference.reference(task, folder)
            result = compare(
                [contender], expected, (3,), rounds=1, seconds=0.0, atol=inference.ATOL, log=lambda _: None
            )
            reason = result.skipped.get(name, "")
            if reason.startswith("not installed: No module named"):
                pytest.skip(reason)
            assert not reason
            assert list(result.rates[name]) == [3]


def test_what_is_encoded_are_pictures_of_the_decoded_latents(folder):
    z, images = inputs("decoding", folder, 3), inputs("encoding", folder, 3)
    with cvae_runtime.load(provider="cpu") as model:
        np.testing.assert_array_equal(z, cvae_runtime.prior_latents(0, 0, 3, model.latent_dim))
        np.testing.assert_array_equal(images, cvae_runtime.to_uint8(model.decode(z)))
    np.testing.assert_array_equal(inputs("reconstruction", folder, 3), images)


def test_plain_graphs_have_operators_that_the_package_s_have_not(folder):
    plain = {node.op_type for node in onnx.load(plain_graph("decoding", folder)).graph.node}
    packaged = {
        node.op_type for node in onnx.load_from_string(cvae_runtime.read_bundle().files["decoder.onnx"]).graph.node
    }
    assert plain - packaged


def test_words_choose_peers_and_ours_always_take_part():
    names = [contender.name for contender in inference.contenders("decoding", "", ["jax", "XLA"])]
    assert names == ["TensorFlow, XLA", "JAX, jit", inference.OURS, inference.INT8]
    assert [contender.name for contender in inference.contenders("encoding", "")] == [
        name
        for name in inference.PEERS
        if name != inference.INT8  # the package's encoder is float32 alone
    ]


@pytest.mark.parametrize("config", [cvae_train.ModelConfig(), cvae_train.ModelConfig((32, 48, 1), 7, (4, 8, 16))])
def test_nominal_multiply_adds_are_every_weight_at_every_position(config):
    model = cvae_train.CVAE(config)
    expected = {"encoding": 0, "decoding": 0}
    for task, part in (("encoding", model.encoder), ("decoding", model.decoder)):
        for layer in part.layers:
            if layer.weights:
                # A convolution's kernel is at every output, a transposed one's at every input, a dense one's once.
                shape = (layer.input if "transpose" in layer.name else layer.output).shape[1:-1]
                expected[task] += layer.kernel.shape.num_elements() * int(np.prod(shape))
    found = _ceiling.multiply_adds(config)
    assert found == {**expected, "reconstruction": expected["encoding"] + expected["decoding"]}


def test_the_packaged_decoder_has_4_82_million():
    assert _ceiling.multiply_adds(cvae_train.ModelConfig())["decoding"] == 4_820_032


def test_the_ceiling_gives_the_times_of_batches(monkeypatch):
    monkeypatch.setattr(_ceiling, "SIZE", 4)
    monkeypatch.setattr(_ceiling, "measure", lambda work, _seconds: work() and {"times": [2.0, 4.0]})
    # A product of 4 x 4 matrices has 64 multiply-adds.
    assert _ceiling.ceiling(32)(3, 0.1) == [3.0, 6.0]


def result(**rates):
    names = {
        "ours": inference.OURS,
        "int8": inference.INT8,
        "ceiling": inference.CEILING,
        "jax": "JAX",
        "ov": "OpenVINO",
    }
    by_name = {names[name]: {1: each, 256: each} for name, each in rates.items()}
    return Result(by_name, {name: {1: [1e-6 * each[1][0]], 256: [1.0]} for name, each in by_name.items()}, {})


def test_verdicts_are_medians_of_the_rounds_ratios_to_the_best_peer(monkeypatch):
    monkeypatch.setattr(inference, "BATCHES", (1, 256))
    measured = result(ours=[90, 80, 100], int8=[300, 300, 300], ov=[45, 50, 100], jax=[60, 40, 40], ceiling=[100] * 3)
    assert inference.verdicts("decoding", measured, 5_000_000) == [
        "decoding, the ceiling: 5,000,000 multiply-adds an image at 1 Gflop/s are 100 images a second",
        "decoding, batch 1: 1.60x the best float32 peer, OpenVINO (90 us a call, 45); int8 6.00x; 90% of the ceiling",
        "decoding, batch 256: 1.60x the best float32 peer, OpenVINO; int8 6.00x; 90% of the ceiling",
    ]


def test_without_peers_verdicts_compare_with_the_ceiling_alone(monkeypatch):
    monkeypatch.setattr(inference, "BATCHES", (256,))
    assert inference.verdicts("encoding", result(ours=[30], ceiling=[40]), 5)[1:] == [
        "encoding, batch 256: 75% of the ceiling"
    ]


def test_generation_is_compared_with_decoding_alone(monkeypatch):
    monkeypatch.setattr(inference, "BATCHES", (1, 4))
    found = inference.generation(rounds=2, seconds=0.0, log=lambda _: None)
    assert {name: list(rates) for name, rates in found.rates.items()} == {
        inference.GENERATE: [1, 4],
        inference.DECODE: [1, 4],
    }
    rates = {inference.GENERATE: {1: [9.0], 4: [8.0]}, inference.DECODE: {1: [10.0], 4: [10.0]}}
    assert inference.verdicts("generation", Result(rates, {}, {}), 0) == [
        "generation, batch 1: 0.90 of the rate of decoding alone",
        "generation, batch 4: 0.80 of the rate of decoding alone",
    ]


def test_prints_the_tables_and_writes_every_round(monkeypatch, capsys, tmp_path, folder):
    monkeypatch.setattr(inference, "prepare", lambda target: shutil.copytree(folder, target, dirs_exist_ok=True))
    monkeypatch.setattr(inference, "BATCHES", (1, 2))
    monkeypatch.setattr(_ceiling, "SIZE", 64)
    only = ["--only", "decoding", "generation", "--peers", "onnxruntime"]
    options = ["--quick", *only, "--json", str(tmp_path / "r.json"), "--plot", str(tmp_path / "r.png")]
    monkeypatch.setattr(sys, "argv", ["benchmarks", "inference", *options])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("inference, images a second; ")
    assert lines[2] == "decoding"
    assert lines[3].split() == ["batch", "1", "batch", "2"]
    assert [line[:36].strip() for line in lines[4:8]] == [
        *("onnxruntime, default session", inference.OURS, inference.INT8, inference.CEILING)
    ]
    assert [line.split(":")[0] for line in lines[-5:]] == [
        *("decoding, the ceiling", "decoding, batch 1", "decoding, batch 2"),
        *("generation, batch 1", "generation, batch 2"),
    ]
    written = json.loads((tmp_path / "r.json").read_text())
    assert set(written["environment"]["versions"]) == set(command.PACKAGES)
    assert len(written["result"]["decoding"]["rates"]["cvae_runtime"]["2"]) == 3
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_everyone_has_a_colour_of_the_plot():
    assert set(inference.COLOURS) == {*inference.PEERS, inference.CEILING}


def test_graphs_that_cannot_be_made_end_it_with_the_reason(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "No module named 'tf2onnx'")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: failed)
    with pytest.raises(SystemExit, match="the peers' inputs and graphs cannot be made:\nNo module named 'tf2onnx'"):
        inference.prepare("folder")

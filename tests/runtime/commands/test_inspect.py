"""``cvae-inspect``: text and JSON of bundles and single graphs, without the package onnx."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime import packaged_bundle, read_bundle
from cvae_runtime._bundle import describe_graph
from cvae_runtime._commands.inspect import command, describe, inspect_bundle


@pytest.fixture
def inspect(whole_console):
    """A function that runs the console script in this process: exit code, stdout, stderr."""
    return lambda *arguments: whole_console(command, "cvae-inspect", *arguments)


def test_a_model_of_levels_has_bits_per_dimension(inspect, bundles, tmp_path):
    folder = bundles.write(tmp_path / "levels", likelihood="discretized-logistic-mixture")
    _, out, _ = inspect(folder)
    bits = 9.5 / (4 * 4 * np.log(2.0))
    assert out.splitlines()[1] == (
        f"test ELBO      -9.50 +- 0.25 nats per image ({bits:.3f} bits per dimension), over the 11 test images of noise"
    )


def test_text_of_a_bundle(inspect):
    code, out, err = inspect(NOTEBOOK)
    manifest = read_bundle(NOTEBOOK).manifest
    assert (code, err) == (0, "")
    header, *parts = out.split("\n\n")
    assert header.splitlines()[:4] == [
        f"{NOTEBOOK}: images 28x28x1, 50 latents, likelihood bernoulli",
        (
            f"test ELBO      {manifest.training.test_elbo:.2f} +- {manifest.training.test_elbo_stderr:.2f} nats per image, "
            "over the 10,000 test images of mnist"
        ),
        "random         threefry2x32-20/box-muller",
        f"golden         golden.json, {manifest.golden.bytes:,} bytes",
    ]
    assert f"onnx {manifest.versions['onnx']}" in header
    assert [part.splitlines()[0] for part in parts][:2] == [
        "encoder.onnx: encoder, portable, float32",
        "decoder.onnx: decoder, portable, float32",
    ]
    assert [line for line in parts[0].splitlines() if line.startswith(("  input", "  output"))] == [
        (
            "  input        images       uint8    [batch, 28, 28, 1]   raw pixels 0 to 255, channels last; 128 and above become "
            "1, others 0, inside the graph"
        ),
        *(
            f"  output       {name:12} float32  [batch, 50]          within {difference:.1e} of the model's"
            for name, difference in manifest.graphs[0].verified.max_abs_difference.items()
        ),
    ]
    assert f"  size         {manifest.graphs[1].bytes:,} bytes, " in parts[1]
    assert "  opset        15, IR version 8\n" in parts[1]
    assert f"ELBO change  {manifest.graphs[1].verified.elbo_change:+.1e} nats per image\n" in parts[1]
    assert "latents: draws of the prior for samples, or an encoder's means\n" in parts[1]
    assert inspect() == inspect(packaged_bundle())


def test_the_exported_checkpoint(inspect, bundles, tmp_path):
    folder = bundles.write(tmp_path / "best")
    without = inspect(folder)[1].splitlines()
    bundles.edit(folder, lambda manifest: manifest["training"].update(epoch=7, checkpoint="best"))
    code, out, err = inspect(folder)
    assert (code, err) == (0, "")
    assert out.splitlines() == [*without[:2], "weights        epoch 7, checkpoint best", *without[2:]]
    training = json.loads(inspect(folder, "--json")[1])["training"]
    assert (training["epoch"], training["checkpoint"]) == (7, "best")


def test_a_detector(inspect):
    _, out, _ = inspect(Path(__file__).parents[2] / "golden" / "detector")
    assert out.splitlines()[2] == "detector       elbo, k = 2, calibrated on 29 images; alarm if p <= 0.1"


def test_json_of_a_bundle(inspect):
    report = json.loads(inspect(NOTEBOOK, "--json")[1])
    manifest = json.loads((NOTEBOOK / "manifest.json").read_text())
    for key in ("model", "training", "golden", "versions"):
        assert report[key] == manifest[key]
    for reported, graph in zip(report["graphs"], manifest["graphs"], strict=True):
        assert {key: reported[key] for key in graph} == graph
    encoder = report["graphs"][0]
    nodes = [node.op_type for node in onnx.load(NOTEBOOK / "encoder.onnx").graph.node]
    assert encoder["operators"] == {name: nodes.count(name) for name in sorted(set(nodes))}
    assert encoder["parameters"] == 249_316  # see README


def test_feed_of_a_grey_model(inspect, bundles, tmp_path):
    preprocessing = cvae_runtime.bundle.Preprocessing(255, None)
    report = json.loads(inspect(bundles.write(tmp_path / "grey", preprocessing=preprocessing), "--json")[1])
    assert report["graphs"][0]["feed"] == {
        "images": "raw pixels 0 to 255, channels last; divided by 255 inside the graph"
    }


def test_graphs_are_described_as_by_onnx():
    for path in NOTEBOOK.glob("*.onnx"):
        proto, found = onnx.load(path), describe_graph(path.read_bytes())
        assert found.operators == dict(sorted(Counter(node.op_type for node in proto.graph.node).items()))
        assert (found.opset, found.ir_version) == (proto.opset_import[0].version, proto.ir_version)
        assert found.metadata == {entry.key: entry.value for entry in proto.metadata_props}
        for tensors, values in ((found.inputs, proto.graph.input), (found.outputs, proto.graph.output)):
            kinds = [value.type.tensor_type for value in values]
            assert [(tensor.name, tensor.dtype) for tensor in tensors] == [
                (value.name, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name)
                for value, kind in zip(values, kinds, strict=True)
            ]
            assert [tensor.shape for tensor in tensors] == [
                tuple(size.dim_param or size.dim_value for size in kind.shape.dim) for kind in kinds
            ]


def test_text_of_a_graph(inspect):
    path = NOTEBOOK / "encoder.onnx"
    code, out, err = inspect(path)
    lines = out.splitlines()
    assert (code, err, lines[0]) == (0, "", str(path))
    assert lines[1].endswith("raw pixels 0 to 255, channels last; 128 and above become 1, others 0, inside the graph")
    assert '  cvae.preprocessing     {"scale": 255, "binarize_at": 128}' in lines
    assert "  cvae.role              encoder" in lines
    report = json.loads(inspect(path, "--json")[1])
    assert (report["opset"], report["ir_version"], report["bytes"]) == (15, 8, path.stat().st_size)
    assert report["inputs"] == [{"name": "images", "dtype": "uint8", "shape": ["batch", 28, 28, 1]}]
    assert report["metadata"]["cvae.latent_dim"] == 50


def test_external_graph(inspect, tmp_path):
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 15, "their.own" : 1]> agraph (float[N, 2] x) => (float[N, 2] y) '
        "<float half = {0.5}, float[2] scale = {0.5, 0.25}, float[2, 2] w = {1, 2, 3, 4}, int8 zero = {0}> "
        "{ q = QuantizeLinear (x, half, zero) d = DequantizeLinear <axis = 1> (q, scale) m = MatMul (d, w) "
        "y = their.own.Thing (m) }"
    )
    proto.metadata_props.add(key="author", value="42")
    proto.metadata_props.add(key="cvae.preprocessing", value="not JSON")
    onnx.save(proto, tmp_path / "a.onnx")
    report = json.loads(inspect(tmp_path / "a.onnx", "--json")[1])
    assert report["operators"] == {"DequantizeLinear": 1, "MatMul": 1, "QuantizeLinear": 1, "their.own.Thing": 1}
    assert report["parameters"] == 4  # the matrix, without scales and zero points
    assert (report["feed"], report["metadata"]) == ({}, {"author": "42", "cvae.preprocessing": "not JSON"})
    assert "  author                 42\n" in inspect(tmp_path / "a.onnx")[1]


def test_texts_that_clear_the_screen_are_escaped(inspect, bundles, tmp_path):
    folder = bundles.write(tmp_path / "shown", rng="\x1b[2J")
    bundles.edit(folder, lambda manifest: manifest.update(versions={"\x1b[2J": "\x9b31m"}))
    code, out, err = inspect(folder)
    assert (code, err, "\x1b" in out, "\x9b" in out) == (0, "", False, False)
    assert out.count(r"\x1b[2J") == 2


def test_external_model_has_no_elbo():
    report = inspect_bundle(read_bundle())
    report["training"] = None
    report["graphs"][0]["verified"] |= {"elbo_change": None, "speed_ratio": 1.234}
    text = describe(report)
    assert "test ELBO      none: external models\n" in text
    assert "  ELBO change  not measured\n  speed        1.23 times the plain graph\n" in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_is_not_waited_for(inspect, tmp_path):
    os.mkfifo(tmp_path / "a.onnx")
    message = "expected the name of a file, found a pipe, a device or a socket; name a file"
    assert inspect(tmp_path / "a.onnx") == (1, "", f"Error: {tmp_path / 'a.onnx'}: {message}\n")


def test_files_that_are_not_onnx_raise(inspect, tmp_path):
    (tmp_path / "text.onnx").write_text("this is no graph")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "cut.onnx").write_bytes((NOTEBOOK / "encoder.onnx").read_bytes()[:5000])
    for name in ("text.onnx", "cut.onnx"):
        code, out, err = inspect(tmp_path / name)
        assert (code, out) == (1, "")
        assert err.startswith(f"Error: {tmp_path / name}: not an ONNX file, or a damaged one: ")
    message = "not an ONNX file, or a damaged one: expected a graph with outputs, found none; name another file"
    assert inspect(tmp_path / "empty.onnx") == (1, "", f"Error: {tmp_path / 'empty.onnx'}: {message}\n")
    missing = "expected a bundle or an .onnx file: No such file or directory; name another file"
    assert inspect(tmp_path / "no.onnx") == (1, "", f"Error: {tmp_path / 'no.onnx'}: {missing}\n")


def test_a_folder_that_is_no_bundle_exits_5(inspect, tmp_path):
    code, out, err = inspect(tmp_path)
    assert (code, out) == (5, "")
    assert err.startswith(f"Error: {tmp_path / 'manifest.json'}: cannot be read: ")


def test_neither_help_nor_a_bundle_needs_the_export_extra(without_export):
    for arguments, words in ((["--help"], "Describe a bundle or a single graph."), ([NOTEBOOK], "decoder.onnx")):
        result = without_export("inspect", *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert words in result.stdout

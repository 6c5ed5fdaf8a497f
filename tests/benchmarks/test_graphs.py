import dataclasses
import hashlib

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import cvae_runtime
import cvae_runtime.bundle
from benchmarks import _cli, graphs
from benchmarks._document import read_document
from benchmarks._harness import Rounds
from benchmarks._notebook import BUNDLE
from benchmarks._profile import NodeTime, profile, profile_table


def bundle_with(folder, **added):
    """The notebook's portable graphs, and CPU decoders given as bytes and the difference stated in the manifest."""
    packaged = cvae_runtime.read_bundle(BUNDLE)
    portable = [g for g in packaged.manifest.graphs if (g.target, g.precision) == ("portable", "float32")]
    portable = {graph.role: graph for graph in portable if graph.role in graphs.ROLES}
    files, more = {graph.file: packaged.files[graph.file] for graph in portable.values()}, []
    for precision, (data, difference) in added.items():
        file = "decoder_cpu.onnx" if precision == "float32" else f"decoder_cpu_{precision}.onnx"
        files[file] = data
        described = {"file": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        verified = cvae_runtime.bundle.Verified({"probs": difference}, 0.0, None)
        graph = dataclasses.replace(portable["decoder"], target="cpu", precision=precision, **described)
        more.append(dataclasses.replace(graph, verified=verified))
    # The portable graphs come last, which a manifest allows.
    manifest = dataclasses.replace(packaged.manifest, graphs=(*more, *portable.values()))
    files["golden.json"] = packaged.files["golden.json"]
    files[cvae_runtime.bundle.MANIFEST_NAME] = manifest.to_json().encode()
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def decoder():
    return cvae_runtime.read_bundle(BUNDLE).files["decoder.onnx"]


@pytest.fixture(scope="module")
def darker(decoder):
    """A decoder whose probabilities are too small by a hundredth."""
    proto = onnx.load_from_string(decoder)
    last = next(node for node in proto.graph.node if "probs" in node.output)
    last.output[:] = ["right"]
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(0.99), "factor"))
    proto.graph.node.append(onnx.helper.make_node("Mul", ["right", "factor"], ["probs"]))
    return proto.SerializeToString()


@pytest.fixture(scope="module")
def refused(decoder):
    """A decoder with an unknown operator."""
    proto = onnx.load_from_string(decoder)
    proto.graph.node[0].op_type = "NoSuchOperator"
    return proto.SerializeToString()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(graphs, "IMAGES", 12)


@pytest.fixture
def compare(progress, monkeypatch):
    """A race of two rounds, at micro-batches of 1 and 8."""
    monkeypatch.setattr(graphs, "IMAGES", 12)

    def compare(folder, role, threads=2):
        bundle = cvae_runtime.read_bundle(folder)
        candidates, arrays = graphs.candidates([bundle], role), graphs.inputs(bundle, role)
        return graphs.compare(candidates, arrays, threads, (1, 8), Rounds(2, 0.0), progress)

    return compare


@pytest.mark.parametrize(("threads", "name"), [(1, "decoder, 1 thread"), (2, "decoder, 2 threads")])
def test_every_graph_has_all_rounds_and_micro_batches(compare, printed, tmp_path, decoder, threads, name):
    folder = bundle_with(tmp_path / "bundle", float32=(decoder, 1e-6))
    result = compare(folder, "decoder", threads)
    assert (result.name, result.ours) == (name, "decoder_cpu.onnx")
    assert [(entry.name, entry.kind) for entry in result.entries] == [
        ("decoder.onnx", "peer"),
        ("decoder_cpu.onnx", "ours"),
    ]
    for entry in result.entries:
        assert {point.at: len(point.rounds) for point in entry.points} == {1: 2, 8: 2}
    assert printed.getvalue().startswith(name)
    (encoder,) = compare(folder, "encoder", threads).entries
    assert (encoder.name, encoder.kind) == ("encoder.onnx", "ours")


def test_rates_count_images(compare, monkeypatch, tmp_path, decoder):
    monkeypatch.setattr(graphs, "measure", lambda work, _seconds: work() and [2.0, 4.0])
    result = compare(bundle_with(tmp_path / "bundle", float32=(decoder, 1e-6)), "decoder")
    assert [point.rounds for point in result.entries[0].points] == [(4.0, 4.0)] * 2


def test_tolerance_is_twice_the_manifests_difference(compare, tmp_path, darker):
    result = compare(bundle_with(tmp_path / "bundle", float32=(darker, 1e-3), int8=(darker, 0.01)), "decoder")
    assert {entry.name: (entry.status, entry.reason) for entry in result.entries} == {
        "decoder.onnx": ("measured", None),
        "decoder_cpu.onnx": ("refused", "wrong output at batch 1: off by 0.01, more than 2e-03"),
        "decoder_cpu_int8.onnx": ("measured", None),
    }


def test_graph_that_does_not_open_has_failed(compare, tmp_path, refused):
    result = compare(bundle_with(tmp_path / "bundle", int8=(refused, 1.0)), "decoder")
    good, bad = result.entries
    assert (good.status, bad.status) == ("measured", "failed")
    assert bad.reason.startswith("ONNX Runtime cannot open a graph: ")


def test_names_of_graphs_of_several_bundles(tmp_path, decoder):
    bundles = [
        cvae_runtime.read_bundle(bundle_with(tmp_path / "plain")),
        cvae_runtime.read_bundle(bundle_with(tmp_path / "mine", float32=(decoder, 1e-6))),
    ]
    names = [candidate.name for candidate in graphs.candidates(bundles, "decoder")]
    assert names == ["plain/decoder.onnx", "mine/decoder.onnx", "mine/decoder_cpu.onnx"]


def test_inputs_of_roles():
    bundle = cvae_runtime.read_bundle(BUNDLE)
    z, images = graphs.inputs(bundle, "decoder")["z"], graphs.inputs(bundle, "encoder")["images"]
    with cvae_runtime.load(BUNDLE, provider="cpu") as model:
        assert (images == cvae_runtime.to_uint8(model.decode(z))).all()
    assert (z.shape, images.shape, images.dtype) == ((256, 50), (256, 28, 28, 1), "uint8")


def test_profile_has_all_nodes_in_order():
    proto = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["": 15]>
        small (float[batch, 64] x) => (float[batch, 64] y) {
            [first] a = Neg (x)
            [second] b = Sigmoid (a)
            [useless] c = Identity (b)
            [third] y = Neg (c)
        }
        """
    )
    nodes = profile(proto.SerializeToString(), {"x": np.ones((4, 64), np.float32)}, calls=3)
    assert [(node.operator, node.name) for node in nodes] == [("Neg", "first"), ("Sigmoid", "second"), ("Neg", "third")]
    assert all(node.microseconds >= 0.0 for node in nodes)


def test_profile_table():
    nodes = [NodeTime("Conv", "first", 6.0), NodeTime("Relu", "middle", 8.0), NodeTime("Conv", "last", 6.0)]
    title, _, *rows = profile_table("decoder.onnx", nodes).splitlines()
    assert title == "decoder.onnx: 20.0 us an image in 3 nodes"
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]] == [
        ["Conv, all", "12.00", "60%"],
        ["Relu, all", "8.00", "40%"],
        ["Conv, first", "6.00", "30%"],
        ["Relu, middle", "8.00", "40%"],
        ["Conv, last", "6.00", "30%"],
    ]


@pytest.mark.usefixtures("small")
def test_graphs_command(capsys, tmp_path, decoder, refused):
    folder = bundle_with(tmp_path / "bundle", float32=(decoder, 1e-6), int8=(refused, 1.0))
    options = ["--bundle", str(folder), "--profile", "--quick", "--batch", "8", "--threads", "1", "2"]
    assert _cli.main(["graphs", *options, "--seconds", "0.001", "--json", str(tmp_path / "r.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("failed: ONNX Runtime cannot open a graph: " in line for line in lines) == 2
    assert [line.split(":")[0] for line in lines if " us an image in " in line] == [
        *("decoder.onnx", "decoder_cpu.onnx", "encoder.onnx")
    ]
    found = read_document(tmp_path / "r.json").questions["graphs"]
    assert [comparison.name for comparison in found] == [
        *("decoder, 1 thread", "decoder, 2 threads", "encoder, 1 thread", "encoder, 2 threads")
    ]
    assert [entry.name for entry in found[0].measured] == ["decoder.onnx", "decoder_cpu.onnx"]
    assert [len(point.rounds) for point in found[0].measured[1].points] == [3]

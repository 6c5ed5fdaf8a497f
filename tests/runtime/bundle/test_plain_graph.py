"""Plain graphs: external tensors, control flow, randomness and ambiguous bytes are rejected before a session opens."""

import gzip

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import cvae_runtime as cvae
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime._bundle.plain_graph import check_plain_graph

KEEPS = "expected all tensors in the file, found some in another file; save it in one file"
SUBGRAPH = "expected a plain graph without control flow, found a node with a graph of its own; export it without"
FUNCTIONS = "expected a plain graph without control flow, found functions; export it without"
TRAINING = "expected a plain graph alone, found training information; export it without"
ORT_FORMAT = "expected an ONNX file, found ONNX Runtime's own format; export the bundle again"


def refusal(data):
    try:
        check_plain_graph(data, "tiny.onnx")
    except cvae.BundleError as error:
        return str(error).removeprefix("tiny.onnx: ")
    return "passes"


def not_onnx(why):
    return f"not an ONNX file: {why}; export the bundle again"


def tensor(*, outside):
    value = helper.make_tensor("w", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    if outside:
        value.ClearField("float_data")
        value.data_location = TensorProto.EXTERNAL
        value.external_data.add(key="location", value="secret.bin")
    return value


def sparse(**kind):
    return helper.make_sparse_tensor(tensor(**kind), helper.make_tensor("i", TensorProto.INT64, [3], [0, 1, 2]), [9])


def graph(nodes=(), **kind):
    return helper.make_graph(list(nodes), "g", [], [], **kind)


def model(body, domains=(), **kind):
    opsets = [helper.make_opsetid("", 15), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(body, opset_imports=opsets, **kind)


def model_of(*nodes, **kind):
    return model(graph(nodes), **kind)


def node_with(**attributes):
    return helper.make_node("Any", ["x"], ["y"], **attributes)


def node_with_field(name, value):
    node = onnx.NodeProto(op_type="Constant", output=["y"])
    attribute = node.attribute.add(name=name)
    field = getattr(attribute, name)
    (field.append if name.endswith("s") else field.CopyFrom)(value)
    return node


def function(name, *calls):
    nodes = [helper.make_node(call, ["x"], ["y"], domain="d") for call in calls]
    return helper.make_function("d", name, ["x"], ["y"], nodes, [helper.make_opsetid("d", 1)])


PLACES = {
    "initializer": lambda **kind: model(graph(initializer=[tensor(**kind)])),
    "sparse initializer": lambda **kind: model(graph(sparse_initializer=[sparse(**kind)])),
    "attribute": lambda **kind: model_of(node_with_field("t", tensor(**kind))),
    "attribute list": lambda **kind: model_of(node_with_field("tensors", tensor(**kind))),
    "sparse attribute": lambda **kind: model_of(node_with_field("sparse_tensor", sparse(**kind))),
    "sparse attribute list": lambda **kind: model_of(node_with_field("sparse_tensors", sparse(**kind))),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_tensors_in_any_place(place):
    assert refusal(PLACES[place](outside=False).SerializeToString()) == "passes"
    assert refusal(PLACES[place](outside=True).SerializeToString()) == KEEPS


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_field_marks_an_external_tensor(field):
    value = tensor(outside=True)
    value.ClearField({"data_location": "external_data", "external_data": "data_location"}[field])
    assert refusal(model(graph(initializer=[value])).SerializeToString()) == KEEPS


def test_the_default_location_is_not_external():
    value = tensor(outside=False)
    value.data_location = TensorProto.DEFAULT
    assert refusal(model(graph(initializer=[value])).SerializeToString()) == "passes"


@pytest.mark.parametrize(
    "attributes",
    [{"body": graph()}, {"branches": [graph(), graph()]}, {"axis": 1, "body": graph(), "name": "a"}],
    ids=["graph", "graphs", "among-others"],
)
def test_subgraphs(attributes):
    data = model_of(node_with(), node_with(**attributes), node_with()).SerializeToString()
    assert refusal(data) == SUBGRAPH


@pytest.mark.parametrize("functions", [[function("f", "f")], [function("f"), function("g", "f")]])
def test_functions(functions):
    assert refusal(model_of(node_with(), functions=functions).SerializeToString()) == FUNCTIONS


@pytest.mark.parametrize("field", ["initialization", "algorithm"])
def test_training_information(field):
    value = model(graph())
    getattr(value.training_info.add(), field).CopyFrom(graph())
    assert refusal(value.SerializeToString()) == TRAINING


@given(
    st.lists(
        st.sampled_from([1, 2.0, "s", [1, 2], [1.5], ["a", "b"], helper.make_tensor("t", 1, [1], [1.0])]), max_size=4
    )
)
def test_plain_nodes_pass(values):
    attributes = {f"a{n}": value for n, value in enumerate(values)}
    assert refusal(model_of(node_with(**attributes), node_with()).SerializeToString()) == "passes"


def test_descriptive_fields_pass(tiny):
    value = onnx.load_from_string(tiny.decoder())
    value.producer_version, value.domain, value.model_version, value.doc_string = "1", "d", 3, "words"
    value.metadata_props.add(key="a", value="b")
    value.graph.doc_string = "words"
    value.graph.metadata_props.add(key="a", value="b")
    value.graph.quantization_annotation.add(tensor_name="weights")
    value.graph.node[0].doc_string = "words"
    value.graph.node[0].metadata_props.add(key="a", value="b")
    value.graph.value_info.add(name="logits")
    for kind, number in (("INT64", 1), ("DOUBLE", 0.5), ("UINT64", 2), ("INT32", 3), ("STRING", "s"), ("FLOAT16", 0.5)):
        value.graph.initializer.append(helper.make_tensor(kind, getattr(TensorProto, kind), [1], [number]))
    assert refusal(value.SerializeToString()) == "passes"


@pytest.mark.parametrize(
    "operator", ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]
)
def test_random_operators(operator):
    data = model_of(node_with(), helper.make_node(operator, [], ["y"], dtype=1)).SerializeToString()
    assert refusal(data) == f"expected no random operators, found {operator}; export it without"


@pytest.mark.parametrize(
    ("inputs", "found"),
    [(["x"], "passes"), (["x", "ratio"], "passes"), (["x", "", ""], "passes"), (["x", "", "on"], "Dropout")],
)
def test_dropout_in_training_mode(inputs, found):
    data = model_of(helper.make_node("Dropout", inputs, ["y"])).SerializeToString()
    expected = "passes" if found == "passes" else "expected no random operators, found Dropout; export it without"
    assert refusal(data) == expected


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "mine", "x" * 99])
def test_operators_of_other_domains(domain):
    expected = f'expected operators of the default domain alone, found the domain "{domain[:60]}"; export it without'
    by_node = model_of(helper.make_node("FusedGemm", ["x"], ["y"], domain=domain))
    assert refusal(by_node.SerializeToString()) == expected
    assert refusal(model_of(node_with(), domains=[domain]).SerializeToString()) == expected


def varint(number):
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)


def field(number, payload, wire_type=2, *, high_bits=0):
    """Encode one field; ``high_bits`` are bits of the tag above 32, which C++ parsers drop."""
    tag = number << 3 | wire_type
    head = bytes([tag | 0x80, 0x80, 0x80, 0x80, high_bits << 4]) if high_bits else varint(tag)
    return head + (varint(len(payload)) if wire_type == 2 else b"") + payload


GRAPH = field(7, b"")


@pytest.fixture
def in_ort_format(tiny, tmp_path):
    """The tiny decoder in ONNX Runtime's own format."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "tiny.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(tiny.decoder(), options, providers=["CPUExecutionProvider"])
    return (tmp_path / "tiny.ort").read_bytes()


def test_the_format_of_onnx_runtime(tiny, in_ort_format):
    # A protobuf parser reads the first bytes of this format as an unknown field.
    assert refusal(in_ort_format) == ORT_FORMAT
    assert onnx.load_from_string(b"\x08\x08\x0a\x04ORTM" + tiny.decoder()).graph.node[0].op_type == "MatMul"
    assert refusal(b"\x08\x08\x0a\x04ORTM" + tiny.decoder()) == ORT_FORMAT


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "expected a graph, found none"),
        (field(8, b""), "expected a graph, found none"),
        (GRAPH + GRAPH, "ModelProto has field 7 twice"),  # parsers merge the two
        (GRAPH + field(99, b"hidden"), "ModelProto has an unknown field 99 of wire type 2"),
        (GRAPH + b"\0\0", "ModelProto has an unknown field 0 of wire type 0"),
        (GRAPH + field(26, b""), "ModelProto has an unknown field 26 of wire type 2"),
        (b"\x0a\x01a" + GRAPH, "ModelProto has an unknown field 1 of wire type 2"),
        (field(7, field(3, b"")), "GraphProto has an unknown field 3 of wire type 2"),
        (field(7, field(1, field(4, b"If") + field(4, b"Add"))), "NodeProto has field 4 twice"),
        (field(7, field(1, field(4, b"\0" * 8, 1))), "NodeProto has an unknown field 4 of wire type 1"),
        (field(7, field(5, field(2, b"\x01", 0) * 2)), "TensorProto has field 2 twice"),
        (gzip.compress(GRAPH, mtime=0), "unknown wire type 7"),
        (b"\x3a\x05\x00", "cut short"),  # a graph of 5 bytes, cut after 1
        (b"\x0d\x00\x00", "cut short"),
        (b"\x09" + b"\x00" * 7, "cut short"),
        (b"\x88", "cut short"),
        (b"\x0b", "unknown wire type 3"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "a number of more than 64 bits"),
    ],
)
def test_ambiguous_messages(data, why):
    assert refusal(data) == not_onnx(why)


@pytest.mark.parametrize("high_bits", [1, 7])
def test_tags_beyond_32_bits(high_bits):
    entry = field(1, b"location") + field(2, b"secret.bin")
    hidden = field(13, entry, high_bits=high_bits) + field(14, b"\x01", 0, high_bits=high_bits)
    initializer = field(1, b"\x03", 0) + field(2, b"\x01", 0) + field(8, b"w") + hidden
    assert refusal(field(7, field(5, initializer))) == not_onnx("a field number of more than 29 bits")


def test_truncated_graphs(tiny):
    data = tiny.decoder()
    assert refusal(data) == "passes"
    for length in range(len(data)):
        assert refusal(data[:length]).startswith(("passes", "not an ONNX file: "))


@pytest.mark.parametrize(
    "extra", [b"\0", b"\0\0", b"ORTM", b"\n\0", b"\x08\x08", GRAPH, gzip.compress(b"more", mtime=0)]
)
def test_bytes_after_a_graph(extra, tiny):
    assert refusal(tiny.decoder() + extra).startswith("not an ONNX file: ")


@given(st.binary(max_size=60))
def test_random_bytes(data):
    assert isinstance(refusal(data), str)


def test_read_bundle_checks_graphs(bundles, tiny, tmp_path, refuses):
    value = onnx.load_from_string(tiny.decoder())
    value.graph.node.add().CopyFrom(helper.make_node("Loop", ["", ""], [], body=graph()))
    path = bundles.write(tmp_path / "tiny", decoder=value.SerializeToString())
    with refuses(cvae.BundleError, f"{path / 'decoder.onnx'}: {SUBGRAPH}"):
        cvae.read_bundle(path)


@pytest.mark.parametrize(("path", "precisions"), [(None, {"float32"}), (NOTEBOOK, {"float32", "int8"})])
def test_every_graph_of_the_package_is_plain(path, precisions):
    bundle = cvae.read_bundle(path)
    assert {graph.precision for graph in bundle.manifest.graphs} == precisions
    assert {refusal(bundle.files[graph.file]) for graph in bundle.manifest.graphs} == {"passes"}


def test_sessions_read_no_other_format_than_onnx(in_ort_format):
    from cvae_runtime._engine.providers import open_sessions

    session = onnxruntime.InferenceSession(in_ort_format, providers=["CPUExecutionProvider"])
    z = np.zeros((1, 3), np.float32)
    assert session.run(["probs"], {"z": z})[0].shape == (1, 4, 4, 1)
    with pytest.raises(cvae.BundleError, match="ONNX Runtime cannot open a graph: "):
        open_sessions(lambda _: [in_ort_format], "cpu")

"""Graphs must hold their tensors themselves, wherever a tensor can stand in a model."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import cvae_runtime as cvae
from cvae_runtime._external_data import refuse_external_data

KEEPS = "tiny.onnx: keeps tensors in another file, which a bundle must not; save it in one file"


def tensor(*, outside):
    value = helper.make_tensor("w", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    if outside:
        value.ClearField("float_data")
        value.data_location = TensorProto.EXTERNAL
        value.external_data.add(key="location", value="secret.bin")
    return value


def sparse(**kind):
    return helper.make_sparse_tensor(tensor(**kind), helper.make_tensor("i", TensorProto.INT64, [3], [0, 1, 2]), [9])


def refusal(data):
    try:
        refuse_external_data(data, "tiny.onnx")
    except cvae.BundleError as error:
        return str(error)
    return "passes"


def graph(nodes=(), **kind):
    return helper.make_graph(list(nodes), "g", [], [], **kind)


def model(body, **kind):
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 15)], **kind)


def node_with(name, value):
    node = onnx.NodeProto(op_type="Constant", output=["y"])
    attribute = node.attribute.add(name=name)
    field = getattr(attribute, name)
    (field.append if name.endswith("s") else field.CopyFrom)(value)
    return node


def training(field, body):
    value = model(graph())
    getattr(value.training_info.add(), field).CopyFrom(body)
    return value


def function(**fields):
    return model(graph(), functions=[onnx.FunctionProto(name="f", domain="d", **fields)])


def nested(depth, **kind):
    body = graph(initializer=[tensor(**kind)])
    for _ in range(depth):
        body = graph([node_with("g", body)])
    return model(body)


PLACES = {
    "initializer": lambda **kind: model(graph(initializer=[tensor(**kind)])),
    "sparse initializer": lambda **kind: model(graph(sparse_initializer=[sparse(**kind)])),
    "attribute": lambda **kind: model(graph([node_with("t", tensor(**kind))])),
    "attribute list": lambda **kind: model(graph([node_with("tensors", tensor(**kind))])),
    "sparse attribute": lambda **kind: model(graph([node_with("sparse_tensor", sparse(**kind))])),
    "sparse attribute list": lambda **kind: model(graph([node_with("sparse_tensors", sparse(**kind))])),
    "subgraph": lambda **kind: nested(1, **kind),
    "subgraph of subgraphs": lambda **kind: nested(9, **kind),
    "list of subgraphs": lambda **kind: model(graph([node_with("graphs", graph(initializer=[tensor(**kind)]))])),
    "training's initialization": lambda **kind: training("initialization", graph(initializer=[tensor(**kind)])),
    "training's algorithm": lambda **kind: training("algorithm", graph(initializer=[tensor(**kind)])),
    "function": lambda **kind: function(node=[node_with("t", tensor(**kind))]),
    "function's defaults": lambda **kind: function(attribute_proto=node_with("t", tensor(**kind)).attribute),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_kept_elsewhere_is_found_wherever_it_stands(place, refuses):
    refuse_external_data(PLACES[place](outside=False).SerializeToString(), "tiny.onnx")
    with refuses(cvae.BundleError, KEEPS):
        refuse_external_data(PLACES[place](outside=True).SerializeToString(), "tiny.onnx")


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_mark_alone_is_enough(field, refuses):
    value = tensor(outside=True)
    value.ClearField({"data_location": "external_data", "external_data": "data_location"}[field])
    with refuses(cvae.BundleError, KEEPS):
        refuse_external_data(model(graph(initializer=[value])).SerializeToString(), "tiny.onnx")


def test_a_location_that_says_here_is_none_elsewhere():
    value = tensor(outside=False)
    value.data_location = TensorProto.DEFAULT
    refuse_external_data(model(graph(initializer=[value])).SerializeToString(), "tiny.onnx")


def field(number, wire_type, payload, *, high_bits=0):
    """One field; ``high_bits`` go into the tag beyond its 32 bits, which parsers of C++ drop."""
    tag = number << 3 | wire_type
    head = bytes([tag | 0x80, 0x80, 0x80, 0x80, high_bits << 4]) if high_bits else bytes([tag])
    return head + (bytes([len(payload)]) if wire_type == 2 else b"") + payload


@pytest.mark.parametrize("high_bits", [1, 7])
def test_a_tag_beyond_32_bits_hides_nothing(high_bits):
    entry = field(1, 2, b"location") + field(2, 2, b"secret.bin")
    hidden = field(13, 2, entry, high_bits=high_bits) + field(14, 0, b"\x01", high_bits=high_bits)
    initializer = field(1, 0, b"\x03") + field(2, 0, b"\x01") + field(8, 2, b"w") + hidden
    with pytest.raises(cvae.BundleError):
        refuse_external_data(field(7, 2, field(5, 2, initializer)), "tiny.onnx")


def test_messages_nested_too_deep_are_refused(refuses):
    message = "tiny.onnx: not an ONNX file: messages nested deeper than 64; export the bundle again"
    with refuses(cvae.BundleError, message):
        refuse_external_data(nested(30, outside=True).SerializeToString(), "tiny.onnx")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x3a\x05\x00", "cut short"),  # a graph of 5 bytes, of which 1 is there
        (b"\x0d\x00\x00", "cut short"),
        (b"\x09" + b"\x00" * 7, "cut short"),
        (b"\x0b", "unknown wire type 3"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "a number of more than 64 bits"),
    ],
)
def test_what_is_no_protobuf_message_is_refused(data, why, refuses):
    with refuses(cvae.BundleError, f"tiny.onnx: not an ONNX file: {why}; export the bundle again"):
        refuse_external_data(data, "tiny.onnx")


def test_a_graph_cut_anywhere_never_fails_otherwise(tiny):
    data = tiny.decoder()
    assert refusal(data) == "passes"
    for length in range(len(data)):
        assert refusal(data[:length]).startswith(("passes", "tiny.onnx: not an ONNX file: "))


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_pass(data):
    assert refusal(data).startswith(("passes", "tiny.onnx: "))


def test_a_bundle_with_such_a_graph_is_refused(bundles, tmp_path, refuses):
    decoder = PLACES["initializer"](outside=True).SerializeToString()
    path = bundles.write(tmp_path / "tiny", decoder=decoder)
    with refuses(cvae.BundleError, KEEPS.replace("tiny.onnx", str(path / "decoder.onnx"))):
        cvae.read_bundle(path)

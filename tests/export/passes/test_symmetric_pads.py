import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_export.passes import PORTABLE, SymmetricPads
from tests.export.tiny_graphs import assert_left_alone, evaluate, rewritten

TWO_LAYERS = """
<ir_version: 8, opset_import: ["" : 15]>
decoder (float[batch,2,3,4] x, float[2,3,3,3] w, float[3] b, float[3,1,3,3] v) => (float[batch,1,12,16] y) {
    a = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w, b)
    r = Relu (a)
    y = ConvTranspose <strides = [2, 2], pads = [0, 1, 1, 0]> (r, v)
}
"""


def random_inputs(proto, rng, batch=2):
    shapes = {
        value.name: [dim.dim_value or batch for dim in value.type.tensor_type.shape.dim] for value in proto.graph.input
    }
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_all_layers_get_equal_pads():
    proto = onnx.parser.parse_model(TWO_LAYERS)
    result, names = rewritten(proto, *PORTABLE)
    assert names == ["SymmetricPads"]
    assert [node.op_type for node in result.graph.node] == ["ConvTranspose", "Slice", "Relu", "ConvTranspose", "Slice"]
    for node in result.graph.node:
        if node.op_type == "ConvTranspose":
            assert {tuple(a.ints) for a in node.attribute if a.name == "pads"} == {(0, 0, 0, 0)}
    assert [output.name for output in result.graph.output] == ["y"]
    inputs = random_inputs(proto, np.random.default_rng(0))
    np.testing.assert_array_equal(evaluate(result, inputs), evaluate(proto, inputs))


@given(data=st.data())
def test_any_pads_strides_kernels_and_dilations(data):
    draw = data.draw
    kernel, stride, dilation = (draw(st.lists(st.integers(1, 4), min_size=2, max_size=2)) for _ in range(3))
    size = draw(st.lists(st.integers(2, 5), min_size=2, max_size=2))
    extra = [draw(st.integers(0, s - 1)) for s in stride]
    full = [
        s * (n - 1) + d * (k - 1) + 1 + e for s, n, d, k, e in zip(stride, size, dilation, kernel, extra, strict=True)
    ]
    begin = [draw(st.integers(0, f - 1)) for f in full]
    end = [draw(st.integers(0, f - 1 - b)) for f, b in zip(full, begin, strict=True)]
    node = onnx.helper.make_node(
        "ConvTranspose",
        ["x", "w", "b"],
        ["y"],
        strides=stride,
        dilations=dilation,
        output_padding=extra,
        pads=[*begin, *end],
        name="layer",
    )
    shape = [f - b - e for f, b, e in zip(full, begin, end, strict=True)]
    info = onnx.helper.make_tensor_value_info
    float32 = onnx.TensorProto.FLOAT
    inputs = [info("x", float32, ["batch", 2, *size]), info("w", float32, [2, 3, *kernel]), info("b", float32, [3])]
    graph = onnx.helper.make_graph([node], "one", inputs, [info("y", float32, ["batch", 3, *shape])])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8)
    result, names = rewritten(proto, *PORTABLE)
    assert names == ([] if begin == end else ["SymmetricPads"])
    arrays = random_inputs(proto, np.random.default_rng(1))
    # The reference evaluator also crops a full map, so every bit must stay.
    np.testing.assert_array_equal(evaluate(result, arrays), evaluate(proto, arrays))


def test_symmetric_pads_are_left_alone(caplog):
    proto = onnx.parser.parse_model(
        TWO_LAYERS.replace("[0, 0, 1, 1]", "[1, 1, 1, 1]")
        .replace("[0, 1, 1, 0]", "[0, 1, 0, 1]")
        .replace("[batch,1,12,16]", "[batch,1,h,w]")
        .replace("a =", "[it] a =")
        .replace("y =", "[it] y =")
    )
    assert_left_alone(proto, SymmetricPads(), caplog, *["its pads are symmetric"] * 2)


def test_pads_that_are_not_stated_are_refused():
    text = TWO_LAYERS.replace("pads = [0, 1, 1, 0]", 'auto_pad = "SAME_UPPER"').replace(
        "[batch,1,12,16]", "[batch,1,h,w]"
    )
    with pytest.raises(ir.passes.PostconditionError, match="pads may still differ between begin and end"):
        SymmetricPads()(ir.from_proto(onnx.parser.parse_model(text)))

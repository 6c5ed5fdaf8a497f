import math

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from cvae_export._int8 import _input_percentiles
from cvae_export._quantize import Range, is_heavy, quantize, sources
from cvae_export.passes import LAYOUT, ROWS, run_passes
from tests.export.tiny_graphs import assert_close, inputs_of, normal, operators, parse, run

DECODER = """
decoder (float[batch,4] z) => (float[batch,1,8,8] y) {
    s = MatMul (z, w0)
    t = Add (s, b0)
    r = Relu (t)
    i = Reshape (r, image)
    u = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (i, w1, b1)
    v = Relu (u)
    p = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (v, w2, b2)
    q = Relu (p)
    y = ConvTranspose <pads = [1, 1, 1, 1]> (q, w3, b3)
}
"""
ENCODER = """
encoder (uint8[batch,8,8,1] x) => (float[batch,5] y) {
    f = Cast <to = 1> (x)
    i = Transpose <perm = [0, 3, 1, 2]> (f)
    s = Conv <strides = [2, 2]> (i, w0, b0)
    r = Relu (s)
    t = Conv <strides = [2, 2]> (r, w1)
    u = LeakyRelu <alpha = 0.5> (t)
    v = Reshape (u, vector)
    m = MatMul (v, w2)
    y = Add (m, b2)
}
"""


def decoder():
    shapes = {"w0": (4, 32), "b0": (32,), "w1": (8, 8, 3, 3), "b1": (8,), "w2": (8, 4, 3, 3), "b2": (4,), "w3": (4, 1, 3, 3), "b3": (1,)}  # fmt: skip
    return parse(DECODER, image=np.array([-1, 8, 2, 2]), **{name: normal(*shape) for name, shape in shapes.items()})


def encoder():
    shapes = {"w0": (4, 1, 3, 3), "b0": (4,), "w1": (8, 4, 3, 3), "w2": (8, 5), "b2": (5,)}
    return parse(ENCODER, vector=np.array([-1, 8]), **{name: normal(*shape) for name, shape in shapes.items()})


def rounded(proto, passes=LAYOUT + ROWS, percent=100.0, count=100):
    """Quantize a graph to 8 bits, with the ranges of seeded inputs."""
    model = ir.from_proto(proto)
    run_passes(model, passes)
    values = _input_percentiles(model, inputs_of(proto, count))
    quantize(model, {layer: found.range(percent) for found in values for layer in found.layers})
    common_passes.RemoveUnusedNodesPass()(model)
    result = ir.to_proto(model)
    onnx.checker.check_model(result, full_check=True)
    return result


def optimized(proto, folder):
    """Return the graph as ONNX Runtime optimizes it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)


def arrays(proto):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def test_every_heavy_layer_of_a_decoder_runs_in_8_bits(tmp_path):
    graph = optimized(rounded(decoder()), tmp_path)
    heavy = [name for name in operators(graph) if "Conv" in name or "MatMul" in name or "Gemm" in name]
    assert heavy == ["Gemm", *["QLinearConv"] * 4, "MatMulIntegerToFloat"]  # the first layer takes float32 latents
    # All values between the first rounding and the last product are bytes.
    assert operators(graph).count("QuantizeLinear") == 1
    assert operators(graph).count("DequantizeLinear") == 0


def test_every_heavy_layer_of_an_encoder_runs_in_8_bits(tmp_path):
    proto = encoder()
    proto.graph.node[5].CopyFrom(onnx.helper.make_node("Relu", ["t"], ["u"]))
    graph = optimized(rounded(proto), tmp_path)
    heavy = [name for name in operators(graph) if "Conv" in name or "MatMul" in name or "Gemm" in name]
    assert heavy == ["Conv", "QLinearConv", "QGemm"]  # the first layer has one channel


@pytest.mark.parametrize("proto", [decoder(), encoder()], ids=["decoder", "encoder"])
def test_outputs_stay_close(proto):
    result, inputs = rounded(proto), inputs_of(proto, 20)
    expected = run(proto, inputs)
    assert_close(run(result, inputs), expected, 0.05)
    assert np.abs(run(result, inputs)[0] - expected[0]).max() > 0.0


@pytest.mark.parametrize("proto", [decoder(), encoder()], ids=["decoder", "encoder"])
def test_weights_are_signed_symmetric_and_scaled_by_channel(proto):
    result = rounded(proto)
    values = arrays(result)
    producers = {node.output[0]: node for node in result.graph.node}
    layers = [node for node in result.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    rounded_inputs = {node.output[0] for node in result.graph.node if node.op_type == "DequantizeLinear"}
    quantized = [node for node in layers if node.input[0] in rounded_inputs]
    assert len(quantized) == len(layers) - 1
    for node in quantized:
        activation, weights = producers[node.input[0]], producers[node.input[1]]
        assert values[activation.input[2]].dtype == np.uint8
        integers, scales, zeros = (values[name] for name in weights.input)
        (axis,) = (attribute.i for attribute in weights.attribute)
        assert axis == (0 if node.op_type == "Conv" else 1)
        assert (integers.dtype, zeros.dtype, scales.shape) == (np.int8, np.int8, (integers.shape[axis],))
        assert not zeros.any()
        others = tuple(other for other in range(integers.ndim) if other != axis)
        np.testing.assert_array_equal(np.abs(integers.astype(int)).max(axis=others), 127)


def test_first_dense_layer_stores_8_bits_computes_float32():
    proto = decoder()
    result = rounded(proto)
    values, original = arrays(result), arrays(proto)["w0"]
    cast, mul, gemm = result.graph.node[:3]
    assert [cast.op_type, mul.op_type, gemm.op_type] == ["Cast", "Mul", "Gemm"]
    assert gemm.input[0] == "z"
    assert values[cast.input[0]].dtype == np.int8
    scales = np.abs(original).max(axis=0) / 127
    found = values[cast.input[0]].astype(np.float32) * values[mul.input[1]]
    assert (np.abs(found - original) <= scales / 2 * 1.001).all()
    float_weights = [name for name, array in values.items() if array.dtype == np.float32 and array.ndim > 1]
    assert [values[name].shape for name in float_weights] == [(1, 1, 1)]  # the last bias


def test_negative_activations_get_a_zero_point():
    result = rounded(encoder(), percent=99.9)
    values = arrays(result)
    rounding = {node.input[0]: node for node in result.graph.node if node.op_type == "QuantizeLinear"}
    points = [int(values[node.input[2]]) for node in rounding.values()]
    assert points[0] == 0  # after Relu
    assert 20 < points[1] < 128  # after LeakyRelu with slope 0.5


def test_layers_of_few_channels_stay_in_float():
    text = """
    layers (float[batch,3] x) => (float[batch,2] y) {
        r = Relu (x)
        [three] a = MatMul (r, w3)
        [six] b = MatMul (a, w6)
        [eight] y = MatMul (b, w8)
    }
    """
    proto = parse(text, w3=normal(3, 6), w6=normal(6, 8), w8=normal(8, 2))
    assert [node.name for node in ir.from_proto(proto).graph if is_heavy(node)] == ["eight"]
    assert operators(rounded(proto, ())).count("QuantizeLinear") == 1


@pytest.mark.parametrize(
    ("body", "heavy"),
    [
        ("r = Relu (x) y = Gemm (r, w, b)", True),
        ("r = Relu (x) y = Gemm <alpha = 1.0, beta = 1.0, transA = 0, transB = 0> (r, w, b)", True),
        ("r = Relu (x) y = Gemm <transB = 1> (r, w, b)", False),
        ("r = Relu (x) y = Gemm <alpha = 0.5> (r, w, b)", False),
        ("r = Relu (x) c = ReduceMax <keepdims = 0> (x) y = Gemm (r, w, c)", False),
        ("r = Relu (x) y = MatMul (r, r)", False),
        ("r = Relu (x) y = MatMul (r, stack)", False),
        ("y = MatMul (x, w)", False),
        ("r = Reshape (x, shape) y = MatMul (r, w)", False),
        ("t = Transpose <perm = [0, 1]> (x) r = Concat <axis = 0> (t, t) y = MatMul (r, w)", False),
    ],
)
def test_which_layers_are_heavy(body, heavy):
    proto = parse(
        f"layer (float[4,4] x) => (float y) {{ {body} }}",
        w=normal(4, 4),
        b=normal(4),
        stack=normal(2, 4, 4),
        shape=np.array([4, 4]),
    )
    assert is_heavy(list(ir.from_proto(proto).graph)[-1]) == heavy


def test_rounding_comes_before_moves_for_heavy_layers():
    text = """
    moved (float[batch,4] x) => (float[batch,2,2] plain, float[batch,2] y, float[batch,2] z) {
        r = Relu (x)
        t = Tanh (x)
        plain = Reshape (r, square)
        c = Concat <axis = 1> (r, t)
        v = Reshape (c, flat)
        [both] y = MatMul (v, w)
        [one] z = MatMul (t, u)
    }
    """
    proto = parse(text, w=normal(8, 2), u=normal(4, 2), square=np.array([-1, 2, 2]), flat=np.array([-1, 8]))
    model = ir.from_proto(proto)
    run_passes(model, ())
    both, one = [node for node in model.graph if is_heavy(node)]
    assert {value.name for value in sources(both)} == {"r", "t"}
    assert [value.name for value in sources(one)] == ["t"]
    # They share a value, so they share a range.
    (values,) = _input_percentiles(model, inputs_of(proto, 100))
    assert values.layers == ["both", "one"]
    result = rounded(proto, ())
    inputs = inputs_of(proto, 10)
    assert_close(run(result, inputs), run(proto, inputs), 0.05)
    np.testing.assert_array_equal(run(result, inputs)[0], run(proto, inputs)[0])
    assert operators(result).count("QuantizeLinear") == 2


def test_concatenation_with_constants_is_rounded_after():
    text = """
    padded (float[2,4] x) => (float[3,2] y) {
        r = Relu (x)
        c = Concat <axis = 0> (r, more)
        y = MatMul (c, w)
    }
    """
    proto = parse(text, more=normal(1, 4), w=normal(4, 2))
    result = rounded(proto, (), count=2)
    assert operators(result)[:3] == ["Relu", "Concat", "QuantizeLinear"]
    inputs = inputs_of(proto, 2)
    assert_close(run(result, inputs), run(proto, inputs), 0.05)


def test_biases_of_tiny_channels_fit_in_32_bits():
    weights, bias = normal(8, 4), np.float32([0.5, -0.25, 0.0, 3.0])
    weights[:, 0] *= 1e-12
    weights[:, 1:3] = 0.0
    text = "off (float[batch,8] x) => (float[batch,4] y) { r = Relu (x) y = Gemm (r, w, b) }"
    proto = parse(text, w=weights, b=bias)
    inputs = inputs_of(proto, 10)
    found, expected = run(rounded(proto, ()), inputs)[0], run(proto, inputs)[0]
    np.testing.assert_allclose(found[:, :3], expected[:, :3], atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=0.1)


@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32))
def test_ranges_hold_zero_exactly(first, second):
    values = Range(min(first, second), max(first, second))
    low, high, scale, zero_point = (
        min(values.low, 0.0),
        max(values.high, 0.0),
        float(values.scale),
        int(values.zero_point),
    )
    assert (values.scale.dtype, values.zero_point.dtype) == (np.float32, np.uint8)
    assert scale > 0.0
    tiny = 1e-36  # float32 has few bits there
    assert scale == 1.0 or math.isclose(scale * 255, high - low, rel_tol=1e-6, abs_tol=tiny)
    assert abs(-zero_point * scale - low) <= scale * 0.501 + tiny
    assert scale == 1.0 or abs((255 - zero_point) * scale - high) <= scale * 0.501 + tiny


@pytest.mark.parametrize(
    ("values", "scale", "zero_point"),
    [
        (Range(0.0, 2.55), 0.01, 0),
        (Range(1.0, 2.55), 0.01, 0),  # 0 is kept
        (Range(-2.55, -1.0), 0.01, 255),
        (Range(-1.0, 1.55), 0.01, 100),
        (Range(0.0, 0.0), 1.0, 0),
    ],
)
def test_ranges(values, scale, zero_point):
    np.testing.assert_allclose(values.scale, scale, rtol=1e-6)
    assert values.zero_point == zero_point


def test_the_types_of_values_that_are_moved_are_stated():
    result = rounded(decoder())
    types = {value.name: value.type.tensor_type.elem_type for value in result.graph.value_info}
    producers = {node.output[0]: node.op_type for node in result.graph.node}
    bytes_ = {name for name, op_type in producers.items() if types.get(name) == TensorProto.UINT8}
    moved = {name for node in result.graph.node if node.op_type == "DequantizeLinear" for name in node.input[:1]}
    assert {producers[name] for name in moved & bytes_} == {"Reshape", "Transpose"}
    assert {producers[name] for name in bytes_} == {"Concat", "Reshape", "Transpose"}

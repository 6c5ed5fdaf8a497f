import numpy as np
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from cvae_export._calibrate import run_for
from cvae_export._equalize import equalize
from cvae_export.passes import run_passes
from tests.export.tiny_graphs import assert_close, assert_same, inputs_of, normal, operators, parse, run

# Scales of channels, which differ by up to 1000x.
SIZES = np.float32([1.0, 30.0, 0.03, 10.0])

DECODER = """
decoder (float[batch,3] z) => (float[batch,4,4,4] y) {
    s = MatMul (z, w0)
    t = Add (s, b0)
    r = Relu (t)
    i = Reshape (r, image)
    u = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (i, w1, b1)
    v = LeakyRelu <alpha = 0.2> (u)
    y = Conv <pads = [1, 1, 1, 1]> (v, w2)
}
"""
ENCODER = """
encoder (float[batch,2,6,6] x) => (float[batch,5] y) {
    s = Conv <strides = [2, 2]> (x, w0)
    r = Relu (s)
    v = Reshape (r, vector)
    y = MatMul (v, w1)
}
"""


def decoder(text=DECODER, **changes):
    constants = {
        "w0": normal(3, 16) * np.repeat(SIZES, 4),
        "b0": normal(16) * np.repeat(SIZES, 4),
        "image": np.array([-1, 4, 2, 2]),
        "w1": normal(4, 4, 3, 3) * SIZES.reshape(1, 4, 1, 1),
        "b1": normal(4) * SIZES,
        "w2": normal(4, 4, 3, 3, seed=1),
    }
    return parse(text, **{**constants, **changes})


def encoder(**changes):
    constants = {
        "w0": normal(4, 2, 3, 3) * SIZES.reshape(4, 1, 1, 1),
        "w1": normal(16, 5),
        "vector": np.array([-1, 16]),
    }
    return parse(ENCODER, **{**constants, **changes})


def equalized(proto):
    model = ir.from_proto(proto)
    run_passes(model, ())  # for shapes
    equalize(model, inputs_of(proto, 200))
    return ir.to_proto(model)


def largest(proto, name, channels):
    """The largest absolute activation of each channel."""
    inputs = inputs_of(proto, 200)
    values = np.abs(run_for(ir.from_proto(proto), [name])(inputs)[name])
    return values.reshape(len(values), channels, -1).max(axis=(0, 2))


@pytest.mark.parametrize(("proto", "names"), [(decoder(), ["r", "v"]), (encoder(), ["r"])], ids=["decoder", "encoder"])
def test_equalizing_keeps_outputs_and_levels_channels(proto, names):
    result = equalized(proto)
    assert operators(result) == operators(proto)
    assert_same(result, proto)
    for name in names:
        before, after = largest(proto, name, 4), largest(result, name, 4)
        assert before.max() / before.min() > 50
        assert (after.max() / after.min()) ** 1.5 < before.max() / before.min()  # weights take the other half


def test_activations_and_weights_share_the_difficulty():
    result = equalized(encoder())
    inputs, weights = inputs_of(result, 200), {t.name: numpy_helper.to_array(t) for t in result.graph.initializer}
    values = np.abs(run_for(ir.from_proto(result), ["r"])(inputs)["r"])
    usual = np.percentile(values.swapaxes(0, 1).reshape(4, -1), 99.9, axis=1)
    taking = np.abs(weights[result.graph.node[-1].input[1]]).reshape(4, -1).max(axis=1)
    np.testing.assert_allclose(usual, taking, rtol=1e-4)


def test_channels_that_are_never_on_stay_as_they_are():
    w0, w1 = normal(4, 2, 3, 3), normal(16, 5)
    w0[1] = 0.0
    w1[8:12] = 0.0
    result = equalized(encoder(w0=w0, w1=w1))
    first, second = (numpy_helper.to_array(t) for name in ("s", "y") for t in result.graph.initializer if t.name.startswith(f"{name}_"))  # fmt: skip
    np.testing.assert_array_equal(first[[1, 2]], w0[[1, 2]])
    np.testing.assert_array_equal(second[4:12], w1[4:12])
    assert_same(result, encoder(w0=w0, w1=w1))


def test_weights_that_two_layers_share_are_scaled_for_each():
    text = """
    twice (float[batch,4] x) => (float[batch,4] y) {
        a = MatMul (x, w)
        r = Relu (a)
        b = MatMul (r, w)
        s = Relu (b)
        y = MatMul (s, w)
    }
    """
    proto = parse(text, w=normal(4, 4) * SIZES)
    result = equalized(proto)
    assert len({node.input[1] for node in result.graph.node if node.op_type == "MatMul"}) == 3
    assert_close(run(result, inputs_of(proto, 5)), run(proto, inputs_of(proto, 5)))


@pytest.mark.parametrize(
    ("change", "scaled"),
    [
        (("", ""), {"w0", "b0", "w1", "b1", "w2"}),
        (("r = Relu (t)", "r = Tanh (t)"), {"w1", "b1", "w2"}),
        (("v = LeakyRelu <alpha = 0.2> (u)", "v = Softplus (u)"), {"w0", "b0", "w1"}),
        # With other users before the bias, after it, after the function, and as an image.
        (("y) {", "y, float[batch,16] s) {"), {"w1", "b1", "w2"}),
        (("y) {", "y, float[batch,16] t) {"), {"w1", "b1", "w2"}),
        (("y) {", "y, float[batch,16] r) {"), {"w1", "b1", "w2"}),
        (("y) {", "y, float[batch,4,2,2] i) {"), {"w1", "b1", "w2"}),
        (("y) {", "y, float[batch,4,4,4] u) {"), {"w0", "b0", "w1"}),
        # One number for all units, and an addition that is no bias.
        (("Add (s, b0)", "Add (s, one)"), {"w1", "b1", "w2"}),
        (("Add (s, b0)", "Add (s, s)"), {"w1", "b1", "w2"}),
        (("ConvTranspose <strides = [2, 2], pads", "ConvTranspose <group = 2, strides = [2, 2], pads"), set()),
        (("Conv <pads = [1, 1, 1, 1]> (v, w2)", "Conv <pads = [1, 1, 1, 1], group = 4> (v, w3)"), {"w0", "b0", "w1"}),
        (("Reshape (r, image)", "Reshape (r, other)"), {"w1", "b1", "w2"}),
    ],
)
def test_which_constants_are_scaled(change, scaled):
    text = DECODER.replace(*change)
    constants = {"one": normal(1), "w3": normal(4, 1, 3, 3), "other": np.array([-1, 4, 1, 1])}
    if "group = 2" in text:
        constants |= {"w1": normal(4, 2, 3, 3)}
    if "other" in text:
        text = text.replace("float[batch,4,4,4] y", "float[n,4,2,2] y")
    proto = decoder(text, **constants)
    result = equalized(proto)
    names = {name for node in proto.graph.node for name in node.input}
    kept = {name for node in result.graph.node for name in node.input}
    assert {name for name in names - kept if name[0] in "wb"} == scaled
    assert_close(run(result, inputs_of(proto, 3)), run(proto, inputs_of(proto, 3)))


def test_a_graph_without_layers_is_left_alone():
    proto = parse("plain (float[batch,4] x) => (float[batch,4] y) { y = Relu (x) }")
    assert operators(equalized(proto)) == ["Relu"]

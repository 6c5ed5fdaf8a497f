import pytest

from cvae_export.passes import BiasIntoConvolution
from tests.export.tiny_graphs import (
    assert_left_alone,
    assert_same,
    attributes,
    normal,
    operators,
    parse,
    rewritten,
    run,
)

LAYER = """
layer (float[batch,2,4,5] x{given}) => ({y}) {{
    s = {layer}
    [it] y = Add ({added})
}}
"""


def layer(**change):
    text = {"layer": "Conv (x, w)", "added": "s, c", "given": "", "y": "float[batch,c,h,v] y"}
    constants = {"w": normal(3, 2, 3, 3), "c": normal(3, 1, 1)}
    for name, value in change.items():
        (text if name in text else constants)[name] = value
    return parse(LAYER.format(**text), **constants)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1), (), (1,), (1, 1, 1)])
@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("Conv <strides = [2, 1], pads = [1, 0, 0, 2]> (x, w)", (3, 2, 3, 3)),
        ("ConvTranspose <strides = [2, 3], output_padding = [0, 1]> (x, w)", (2, 3, 3, 3)),
        ('Conv <auto_pad = "SAME_UPPER", strides = [2, 1]> (x, w, )', (3, 2, 3, 3)),
    ],
)
def test_an_addition_becomes_the_bias(text, weights, shape):
    proto = layer(layer=text, w=normal(*weights), c=normal(*shape))
    result, names = rewritten(proto, BiasIntoConvolution())
    assert names == ["BiasIntoConvolution"]
    (node,) = result.graph.node
    assert node.op_type == proto.graph.node[0].op_type
    assert len(node.input) == 3
    assert attributes(node) == attributes(proto.graph.node[0])
    assert_same(result, proto)


@pytest.mark.parametrize(("operator", "weights"), [("Conv", (6, 1, 3, 3)), ("ConvTranspose", (2, 3, 3, 3))])
def test_groups(operator, weights):
    proto = layer(layer=f"{operator} <group = 2> (x, w)", w=normal(*weights), c=normal(6, 1, 1))
    result, _ = rewritten(proto, BiasIntoConvolution())
    assert operators(result) == [operator]
    assert_same(result, proto, evaluators=[run])  # onnx's evaluator supports no grouped transposed convolutions


def test_layers_of_one_axis():
    text = "layer (float[batch,2,6] x) => (float[batch,3,4] y) { s = Conv (x, w) y = Add (s, c) }"
    proto = parse(text, w=normal(3, 2, 3), c=normal(3, 1))
    result, _ = rewritten(proto, BiasIntoConvolution())
    assert operators(result) == ["Conv"]
    assert_same(result, proto)


NO_NUMBERS = "it does not add a constant with one number for each channel"
NOT_ALONE = "it does not follow a convolution without other users"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layer": "Conv (x, w, b)", "b": normal(3)}, "the convolution already has a bias"),
        ({"layer": "Relu (x)", "c": normal(2, 1, 1)}, NOT_ALONE),
        ({"added": "s, s"}, NOT_ALONE),
        ({"added": "c, s"}, NOT_ALONE),
        ({"c": normal(2, 3)}, NO_NUMBERS),  # for each pixel
        ({"c": normal(3)}, NO_NUMBERS),  # for each column; there are three columns too
        ({"c": normal(1, 3, 1, 3)}, NO_NUMBERS),
        (
            {"c": normal(2, 1, 3, 1, 1), "y": "float[n,batch,c,h,v] y"},
            NO_NUMBERS,
        ),  # it would add an axis to the result
        ({"layer": "Conv (x, v)", "v": normal(1, 2, 3, 3)}, NO_NUMBERS),  # three channels of one
        ({"added": "s, given", "given": ", float[3,1,1] given"}, NO_NUMBERS),
        ({"layer": "Conv (x, given)", "given": ", float[3,2,3,3] given"}, NO_NUMBERS),
    ],
)
def test_unsupported_nodes_are_kept(change, reason, caplog):
    assert_left_alone(layer(**change), BiasIntoConvolution(), caplog, reason)


def test_a_number_for_each_item_is_no_bias(caplog):
    text = "layer (float[batch,2,6] x) => (float[a,3,4] y) { s = Conv (x, w) [it] y = Add (s, c) }"
    assert_left_alone(parse(text, w=normal(3, 2, 3), c=normal(3, 1, 1)), BiasIntoConvolution(), caplog, NO_NUMBERS)


def test_convolution_with_other_users_keeps_its_output(caplog):
    text = """
    branch (float[batch,2,4,5] x) => (float[batch,3,2,3] y, float[batch,3,2,3] s) {
        s = Conv (x, w)
        [it] y = Add (s, c)
    }
    """
    assert_left_alone(parse(text, w=normal(3, 2, 3, 3), c=normal(3, 1, 1)), BiasIntoConvolution(), caplog, NOT_ALONE)


def test_a_default_of_an_input_is_no_constant(caplog):
    proto = layer(added="s, c", given=", float[3,1,1] c")
    assert_left_alone(proto, BiasIntoConvolution(), caplog, NO_NUMBERS)


def test_weights_are_kept_once():
    result, _ = rewritten(layer(), BiasIntoConvolution())
    assert result.graph.node[0].input[1] == "w"
    assert [tensor.name for tensor in result.graph.initializer if tensor.dims == [3, 2, 3, 3]] == ["w"]

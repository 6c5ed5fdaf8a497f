import math

from hypothesis import given

from cvae_export.passes import OutputPhases
from tests.export.tiny_graphs import (
    Layer,
    assert_close,
    assert_same,
    attributes,
    decoder,
    evaluate,
    inputs_of,
    operators,
    rewritten,
    run,
    transposed_convolutions,
)


@given(transposed_convolutions())
def test_any_transposed_convolution_keeps_what_it_computes(proto):
    result, names = rewritten(proto, OutputPhases())
    phases = math.prod(attributes(proto.graph.node[0])["strides"])
    assert names == (["OutputPhases"] if phases > 1 else [])
    assert operators(result).count("ConvTranspose") == (phases == 1)
    assert operators(result).count("Conv") == (phases if phases > 1 else 0)
    inputs = inputs_of(proto, 2)
    expected = evaluate(proto, inputs)
    assert_close(evaluate(result, inputs), expected)
    assert_close(run(result, inputs), expected)


def test_default_layer_uses_each_tap_once():
    proto = decoder(2, (3, 4), Layer(3, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})"))
    result, _ = rewritten(proto, OutputPhases())
    assert operators(result) == ["Conv", "Relu"] * 4 + ["Reshape"] * 4 + ["Concat", "Reshape", "Col2Im"]
    found = [attributes(node) for node in result.graph.node if node.op_type == "Conv"]
    assert [node["kernel_shape"] for node in found] == [[2, 2], [2, 1], [1, 2], [1, 1]]
    assert [node["pads"] for node in found] == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert_same(result, proto)


def test_an_output_of_no_multiple_of_the_stride_is_cropped():
    layer = Layer(3, (3, 3), (2, 3), (0, 0, 0, 1))
    assert layer.sizes((3, 4)) == [7, 11]
    proto = decoder(2, (3, 4), layer)
    result, _ = rewritten(proto, OutputPhases())
    assert operators(result)[-3:] == ["Col2Im", "Slice", "Identity"]
    assert_same(result, proto)

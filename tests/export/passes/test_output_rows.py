from hypothesis import given

from cvae_export.passes import OutputRows
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
    result, names = rewritten(proto, OutputRows())
    rows, columns = attributes(proto.graph.node[0])["strides"]
    applies = rows * columns > 1
    assert names == (["OutputRows"] if applies else [])
    assert operators(result).count("ConvTranspose") == (not applies)
    assert operators(result).count("Conv") == (rows if applies else 0)
    inputs = inputs_of(proto, 2)
    expected = evaluate(proto, inputs)
    assert_close(evaluate(result, inputs), expected)
    assert_close(run(result, inputs), expected)


def test_the_default_layer_is_a_convolution_for_each_row():
    proto = decoder(2, (3, 4), Layer(3, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})"))
    result, _ = rewritten(proto, OutputRows())
    assert operators(result) == [*["Conv", "Relu"] * 2, *["Transpose", "Reshape"] * 2, "Concat", "Reshape", "Transpose"]
    found = [attributes(node) for node in result.graph.node if node.op_type == "Conv"]
    assert [node["kernel_shape"] for node in found] == [[2, 2], [1, 2]]
    assert [node["pads"] for node in found] == [[1, 1, 0, 0], [0, 1, 0, 0]]
    assert_same(result, proto)


def test_an_output_of_no_multiple_of_the_stride_is_cropped():
    proto = decoder(2, (3, 4), Layer(3, (3, 3), (2, 3), (0, 0, 0, 1)))  # to 7 x 11
    result, _ = rewritten(proto, OutputRows())
    assert operators(result)[-3:] == ["Transpose", "Slice", "Identity"]
    assert_same(result, proto)

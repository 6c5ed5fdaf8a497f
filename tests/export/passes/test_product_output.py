import logging

import numpy as np
import pytest
from hypothesis import given

from cvae_export.passes import OutputRows, ProductOutput
from tests.export.tiny_graphs import (
    Layer,
    assert_close,
    assert_same,
    attributes,
    decoder,
    evaluate,
    inputs_of,
    normal,
    operators,
    parse,
    rewritten,
    run,
    upsampled_images,
)

PASSES = (OutputRows(), ProductOutput())


@given(upsampled_images())
def test_any_layer_after_stacked_rows_becomes_a_product(proto):
    result, names = rewritten(proto, *PASSES)
    assert names == ["OutputRows", "ProductOutput"]
    strides = attributes(proto.graph.node[0])["strides"]
    ending = ["Transpose"] * strides[0] + ["Concat", "Reshape", "MatMul", "Transpose", "Col2Im", "Add", "Identity"]
    assert operators(result)[2 * strides[0] :] == ending
    assert operators(result)[: 2 * strides[0] : 2] == ["Conv"] * strides[0]
    inputs = inputs_of(proto, 2)
    expected = evaluate(proto, inputs)
    assert_close(evaluate(result, inputs), expected)
    assert_close(run(result, inputs), expected)


UP = Layer(4, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})")
OUT = Layer(1, (3, 3), pads=(1, 1, 1, 1))


def test_the_default_decoder_s_last_layers():
    proto = decoder(2, (2, 3), UP, UP, OUT)
    result, _ = rewritten(proto, *PASSES)
    rows = ["Conv", "Relu"] * 2
    stacked = [*["Transpose", "Reshape"] * 2, "Concat", "Reshape", "Transpose"]
    product = ["Transpose", "Transpose", "Concat", "Reshape", "MatMul", "Transpose", "Col2Im", "Add"]
    assert operators(result) == [*rows, *stacked, *rows, *product, "Identity"]
    assert_same(result, proto)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([UP], "its stride is not 1"),
        ([OUT], "its input is not stacked rows"),
        ([Layer(2, (3, 3), (2, 2)), OUT], "its input is not stacked rows"),  # 5 x 7 is cropped
    ],
)
def test_unsupported_nodes_are_kept(layers, reason, caplog):
    proto = decoder(2, (2, 3), *layers)
    proto.graph.node[-2].name = "last"
    with caplog.at_level(logging.INFO, "cvae_export"):
        result, names = rewritten(proto, *(PASSES if len(layers) > 1 else PASSES[1:]))
    assert "ProductOutput" not in names
    messages = [record.message for record in caplog.records if "ProductOutput" in record.message]
    assert messages == [f"ProductOutput leaves last as it is: {reason}"]
    assert_same(result, proto)


@pytest.mark.parametrize("other", ["t = Tanh (v)", "t = Identity (v)"])
def test_map_with_other_users_is_kept(other):
    proto = parse(
        f"""
        branch (float[batch,2,3,3] x) => (float[batch,1,6,6] y, float[batch,2,6,6] t) {{
            v = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w)
            y = ConvTranspose <pads = [1, 1, 1, 1]> (v, u)
            {other}
        }}
        """,
        w=normal(2, 2, 3, 3),
        u=normal(2, 1, 3, 3),
    )
    result, names = rewritten(proto, *PASSES)
    assert names == ["OutputRows"]
    assert_same(result, proto)


@pytest.mark.parametrize(
    ("change", "applies"),
    [
        ({}, True),
        ({"last": [0, 3, 2, 1]}, False),
        ({"first": [0, 3, 2, 1]}, False),
        ({"axis": 1}, False),
        ({"line": [-1, 1, 3, 12]}, False),
    ],
)
def test_other_concatenations_are_not_stacked_rows(change, applies):
    kind = {"last": [0, 2, 3, 1], "first": [0, 3, 1, 2], "axis": 2, "line": [-1, 3, 1, 12], **change}
    proto = parse(
        f"""
        rows (float[batch,4,3,3] x) => (float[batch,1,h,w] y) {{
            r0 = Relu (x) r1 = Tanh (x)
            t0 = Transpose <perm = {kind["last"]}> (r0) t1 = Transpose <perm = {kind["last"]}> (r1)
            l0 = Reshape (t0, line) l1 = Reshape (t1, line)
            stacked = Concat <axis = {kind["axis"]}> (l0, l1)
            image = Reshape (stacked, whole)
            v = Transpose <perm = {kind["first"]}> (image)
            y = ConvTranspose <pads = [1, 1, 1, 1]> (v, u)
        }}
        """,
        line=np.array(kind["line"]),
        whole=np.array([-1, 6, 6, 2]),
        u=normal(2, 1, 3, 3),
    )
    result, names = rewritten(proto, ProductOutput())
    assert names == (["ProductOutput"] if applies else [])
    assert_same(result, proto)

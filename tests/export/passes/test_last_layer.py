"""The passes that merge the last layer into the upsampling before it: one product, or one strided layer."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given

from cvae_export.passes import OutputPhases, OutputRows, ProductOutput, StridedOutput
from tests.export.tiny_graphs import (
    Layer,
    assert_same,
    attributes,
    decoder,
    normal,
    operators,
    parse,
    rewritten,
    upsampled_images,
)

PRODUCT = (OutputRows(), ProductOutput())
STRIDED = (OutputPhases(), StridedOutput())
both = pytest.mark.parametrize(
    ("passes", "found"), [(PRODUCT, "stacked rows"), (STRIDED, "interleaved phases")], ids=["product", "strided"]
)


@given(upsampled_images())
def test_any_layer_after_stacked_rows_becomes_a_product(proto):
    result, names = rewritten(proto, *PRODUCT)
    assert names == ["OutputRows", "ProductOutput"]
    strides = attributes(proto.graph.node[0])["strides"]
    ending = ["Transpose"] * strides[0] + ["Concat", "Reshape", "MatMul", "Transpose", "Col2Im", "Add", "Identity"]
    assert operators(result)[2 * strides[0] :] == ending
    assert operators(result)[: 2 * strides[0] : 2] == ["Conv"] * strides[0]
    assert_same(result, proto)


@given(upsampled_images())
def test_any_layer_after_interleaving_is_merged(proto):
    result, names = rewritten(proto, *STRIDED)
    assert names == ["OutputPhases", "StridedOutput"]
    strides = attributes(proto.graph.node[0])["strides"]
    count = math.prod(strides)
    assert operators(result) == [*operators(result)[: 2 * count], "Concat", "ConvTranspose", "Identity"]
    assert set(operators(result)[: 2 * count]) <= {"Conv", "Relu", "LeakyRelu", "Clip", "HardSigmoid"}
    assert attributes(result.graph.node[-2])["strides"] == strides
    assert_same(result, proto)


UP = Layer(4, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})")
OUT = Layer(1, (3, 3), pads=(1, 1, 1, 1))


def test_products_in_the_default_decoder():
    proto = decoder(2, (2, 3), UP, UP, OUT)
    result, _ = rewritten(proto, *PRODUCT)
    rows = ["Conv", "Relu"] * 2
    stacked = [*["Transpose", "Reshape"] * 2, "Concat", "Reshape", "Transpose"]
    product = ["Transpose", "Transpose", "Concat", "Reshape", "MatMul", "Transpose", "Col2Im", "Add"]
    assert operators(result) == [*rows, *stacked, *rows, *product, "Identity"]
    assert_same(result, proto)


def test_strides_in_the_default_decoder():
    proto = decoder(2, (2, 3), UP, UP, OUT)
    result, _ = rewritten(proto, *STRIDED)
    phases = ["Conv", "Relu"] * 4
    interleaved = [*["Reshape"] * 4, "Concat", "Reshape", "Col2Im"]
    assert operators(result) == [*phases, *interleaved, *phases, "Concat", "ConvTranspose", "Identity"]
    found = attributes(result.graph.node[-2])
    assert (found["kernel_shape"], found["strides"], found["pads"]) == ([4, 4], [2, 2], [1, 1, 1, 1])
    assert_same(result, proto)


def assert_last_is_kept(proto, passes, caplog, reason):
    """Assert that the last of the passes leaves the node "last" as it is, for this reason."""
    name = type(passes[-1]).__name__
    with caplog.at_level(logging.INFO, "cvae_export"):
        result, names = rewritten(proto, *passes)
    assert name not in names
    messages = [record.message for record in caplog.records if name in record.message]
    assert messages == [f"{name} leaves last as it is: {reason}"]
    assert_same(result, proto)


@both
@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([UP], "its stride is not 1"),
        ([OUT], None),
        ([Layer(2, (3, 3), (2, 2)), OUT], None),  # 5 x 7 is cropped
    ],
)
def test_unsupported_nodes_are_kept(passes, found, layers, reason, caplog):
    proto = decoder(2, (2, 3), *layers)
    proto.graph.node[-2].name = "last"
    passes = passes if len(layers) > 1 else passes[1:]
    assert_last_is_kept(proto, passes, caplog, reason or f"its input is not {found}")


@both
@pytest.mark.parametrize(("output", "other"), [("v", ""), ("t", "t = Tanh (v)"), ("t", "t = Identity (v)")])
def test_a_map_with_other_users_is_kept(passes, found, output, other, caplog):
    proto = parse(
        f"""
        branch (float[batch,2,3,3] x) => (float[batch,1,6,6] y, float[batch,2,6,6] {output}) {{
            v = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w)
            [last] y = ConvTranspose <pads = [1, 1, 1, 1]> (v, u)
            {other}
        }}
        """,
        w=normal(2, 2, 3, 3),
        u=normal(2, 1, 3, 3),
    )
    assert_last_is_kept(proto, passes, caplog, f"its input is not {found}")


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


@pytest.mark.parametrize(
    ("axis", "part", "strides", "applies"),
    [
        (2, [-1, 2, 1, 9], [2, 2], True),  # as the pass writes it
        (1, [-1, 2, 1, 9], [2, 2], False),
        (2, [-1, 1, 2, 9], [2, 2], False),
        (2, [-1, 2, 1, 9], [1, 1], False),  # overlapping blocks
    ],
)
def test_other_col2ims_are_not_interleaving(axis, part, strides, applies):
    proto = parse(
        f"""
        columns (float[batch,2,3,3] x) => (float[batch,1,h,w] y) {{
            p0 = Relu (x) p1 = Tanh (x) p2 = Sigmoid (x) p3 = Elu (x)
            r0 = Reshape (p0, part) r1 = Reshape (p1, part) r2 = Reshape (p2, part) r3 = Reshape (p3, part)
            stacked = Concat <axis = {axis}> (r0, r1, r2, r3)
            flat = Reshape (stacked, whole)
            v = Col2Im <strides = {strides}> (flat, shape, block)
            y = ConvTranspose <pads = [1, 1, 1, 1]> (v, u)
        }}
        """,
        part=np.array(part),
        whole=np.array([-1, 8, 9]),
        shape=np.array([6, 6] if strides == [2, 2] else [4, 4]),
        block=np.array([2, 2]),
        u=normal(2, 1, 3, 3),
    )
    result, names = rewritten(proto, StridedOutput())
    assert names == (["StridedOutput"] if applies else [])
    assert_same(result, proto)

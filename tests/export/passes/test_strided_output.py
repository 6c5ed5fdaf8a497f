import logging
import math

import numpy as np
import pytest
from hypothesis import given

from cvae_export.passes import OutputPhases, StridedOutput
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

PASSES = (OutputPhases(), StridedOutput())


@given(upsampled_images())
def test_any_layer_after_interleaving_is_merged(proto):
    result, names = rewritten(proto, *PASSES)
    assert names == ["OutputPhases", "StridedOutput"]
    strides = attributes(proto.graph.node[0])["strides"]
    count = math.prod(strides)
    assert operators(result) == [*operators(result)[: 2 * count], "Concat", "ConvTranspose", "Identity"]
    assert set(operators(result)[: 2 * count]) <= {"Conv", "Relu", "LeakyRelu", "Clip", "HardSigmoid"}
    assert attributes(result.graph.node[-2])["strides"] == strides
    inputs = inputs_of(proto, 2)
    expected = evaluate(proto, inputs)
    assert_close(evaluate(result, inputs), expected)
    assert_close(run(result, inputs), expected)


UP = Layer(4, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})")
OUT = Layer(1, (3, 3), pads=(1, 1, 1, 1))


def test_the_default_decoder_s_last_layers():
    proto = decoder(2, (2, 3), UP, UP, OUT)
    result, _ = rewritten(proto, *PASSES)
    phases = ["Conv", "Relu"] * 4
    interleaved = [*["Reshape"] * 4, "Concat", "Reshape", "Col2Im"]
    assert operators(result) == [*phases, *interleaved, *phases, "Concat", "ConvTranspose", "Identity"]
    found = attributes(result.graph.node[-2])
    assert (found["kernel_shape"], found["strides"], found["pads"]) == ([4, 4], [2, 2], [1, 1, 1, 1])
    assert_same(result, proto)


BRANCH = """
branch (float[batch,2,3,3] x) => (float[batch,1,6,6] y, float[batch,2,6,6] {output}) {{
    v = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w)
    [last] y = ConvTranspose <pads = [1, 1, 1, 1]> (v, u)
    {other}
}}
"""


@pytest.mark.parametrize("change", [{"output": "v", "other": ""}, {"output": "t", "other": "t = Tanh (v)"}])
def test_map_with_other_users_is_kept(change, caplog):
    proto = parse(BRANCH.format(**change), w=normal(2, 2, 3, 3), u=normal(2, 1, 3, 3))
    with caplog.at_level(logging.INFO, "cvae_export"):
        result, names = rewritten(proto, *PASSES)
    assert names == ["OutputPhases"]
    assert caplog.records[-1].message == "StridedOutput leaves last as it is: its input is not interleaved phases"
    assert_same(result, proto)


@pytest.mark.parametrize(
    ("layers", "reasons"),
    [
        ([UP], ["its stride is not 1"]),
        ([OUT], ["its input is not interleaved phases"]),
        ([Layer(2, (3, 3), (2, 2)), OUT], ["its input is not interleaved phases"]),  # 5 x 7 is cropped
    ],
)
def test_unsupported_nodes_are_kept(layers, reasons, caplog):
    proto = decoder(2, (2, 3), *layers)
    proto.graph.node[-2].name = "last"
    passes = PASSES if len(layers) > 1 else (StridedOutput(),)
    with caplog.at_level(logging.INFO, "cvae_export"):
        result, names = rewritten(proto, *passes)
    assert "StridedOutput" not in names
    assert [record.message for record in caplog.records if "StridedOutput" in record.message] == [
        f"StridedOutput leaves last as it is: {reason}" for reason in reasons
    ]
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

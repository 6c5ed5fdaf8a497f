"""Arithmetic of phases, and behavior that all rewrites to phases share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_export.passes import OutputPhases, OutputRows
from cvae_export.passes._phases import Axis
from tests.export.tiny_graphs import (
    Layer,
    assert_left_alone,
    assert_same,
    attributes,
    decoder,
    normal,
    operators,
    parse,
    rewritten,
    transposed_convolutions,
)

both = pytest.mark.parametrize("rewrite", [OutputPhases(), OutputRows()], ids=["phases", "rows"])


@st.composite
def axes(draw):
    size, kernel, stride = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    whole = stride * (size - 1) + kernel + draw(st.integers(0, stride - 1))
    begin = draw(st.integers(0, whole - 1))
    return Axis(size, kernel, stride, begin, whole - begin - draw(st.integers(0, whole - 1 - begin)))


@given(axes())
def test_the_phases_share_the_taps_of_the_kernel_out(axis):
    taps = [tap for phase in range(axis.stride) for tap in axis.taps(phase).values()]
    assert sorted(taps) == list(range(axis.kernel))


@given(axes())
def test_phases_are_the_definition_of_a_transposed_convolution(axis):
    x, w = normal(axis.size), normal(axis.kernel)
    expected = np.zeros(axis.output)
    for j in range(axis.output):
        for i in range(axis.size):
            t = j + axis.begin - axis.stride * i
            expected[j] += x[i] * w[t] if 0 <= t < axis.kernel else 0.0
    found = np.zeros((axis.phase_size, axis.stride))
    for phase in range(axis.stride):
        window, before, behind = axis.window([phase])
        assert min(before, behind) >= 0
        padded = np.pad(x, (before, behind))
        assert len(padded) - len(window) + 1 == axis.phase_size
        for m in range(axis.phase_size):
            found[m, phase] = sum(
                padded[m + offset - window.start] * w[tap] for offset, tap in axis.taps(phase).items()
            )
    np.testing.assert_allclose(found.ravel()[: axis.output], expected, atol=1e-6)


@both
@given(proto=transposed_convolutions())
def test_any_transposed_convolution_keeps_what_it_computes(rewrite, proto):
    result, names = rewritten(proto, rewrite)
    rows, columns = attributes(proto.graph.node[0])["strides"]
    applies = rows * columns > 1
    convolutions = rows if isinstance(rewrite, OutputRows) else rows * columns
    assert names == ([type(rewrite).__name__] if applies else [])
    assert operators(result).count("ConvTranspose") == (not applies)
    assert operators(result).count("Conv") == (convolutions if applies else 0)
    assert_same(result, proto)


@pytest.mark.parametrize(
    ("rewrite", "after", "kernels", "pads"),
    [
        (
            OutputPhases(),
            [*["Reshape"] * 4, "Concat", "Reshape", "Col2Im"],
            [[2, 2], [2, 1], [1, 2], [1, 1]],
            [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
        ),
        (
            OutputRows(),
            [*["Transpose", "Reshape"] * 2, "Concat", "Reshape", "Transpose"],
            [[2, 2], [1, 2]],
            [[1, 1, 0, 0], [0, 1, 0, 0]],
        ),
    ],
    ids=["phases", "rows"],
)
def test_the_default_layer_uses_each_tap_once(rewrite, after, kernels, pads):
    proto = decoder(2, (3, 4), Layer(3, (3, 3), (2, 2), (0, 0, 1, 1), behind="Relu ({})"))
    result, _ = rewritten(proto, rewrite)
    assert operators(result) == [*["Conv", "Relu"] * len(kernels), *after]
    found = [attributes(node) for node in result.graph.node if node.op_type == "Conv"]
    assert [node["kernel_shape"] for node in found] == kernels
    assert [node["pads"] for node in found] == pads
    assert_same(result, proto)


@pytest.mark.parametrize(("rewrite", "last"), [(OutputPhases(), "Col2Im"), (OutputRows(), "Transpose")])
def test_an_output_of_no_multiple_of_the_stride_is_cropped(rewrite, last):
    layer = Layer(3, (3, 3), (2, 3), (0, 0, 0, 1))
    assert layer.sizes((3, 4)) == [7, 11]
    proto = decoder(2, (3, 4), layer)
    result, _ = rewritten(proto, rewrite)
    assert operators(result)[-3:] == [last, "Slice", "Identity"]
    assert_same(result, proto)


@both
def test_layers_one_behind_another(rewrite):
    first = Layer(4, (4, 3), (3, 3), (0, 0, 1, 0), behind="LeakyRelu ({})")
    second = Layer(3, (3, 4), (2, 4), (0, 1, 1, 2), bias=False, behind="Clip ({}, low, high)")
    proto = decoder(3, (2, 3), first, second, Layer(2, (5, 2), (2, 1), (1, 0, 2, 1)))
    result, _ = rewritten(proto, rewrite)
    assert "ConvTranspose" not in operators(result)
    assert_same(result, proto)


@both
def test_nodes_with_other_users_stay_behind(rewrite):
    proto = parse(
        """
        branch (float[batch,2,3,3] x) => (float[batch,2,6,6] y, float[batch,2,6,6] v) {
            v = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w)
            r = Relu (v)
            t = Tanh (r)
            y = Add (r, t)
        }
        """,
        w=normal(2, 2, 3, 3),
    )
    result, _ = rewritten(proto, rewrite)
    assert operators(result)[-3:] == ["Relu", "Tanh", "Add"]
    assert_same(result, proto)


@both
def test_computed_bounds_stay_behind(rewrite):
    proto = parse(
        """
        clip (float[batch,2,3,3] x) => (float[batch,2,6,6] y) {
            v = ConvTranspose <strides = [2, 2], pads = [0, 0, 1, 1]> (x, w)
            low = ReduceMin <keepdims = 0> (x)
            y = Clip (v, low)
        }
        """,
        w=normal(2, 2, 3, 3),
    )
    result, _ = rewritten(proto, rewrite)
    assert operators(result).count("Clip") == 1
    assert_same(result, proto)


WEIGHTS = "its weights are not a float32 constant with two spatial axes"
PADS = "its pads are given by auto_pad or output_shape"


@both
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"attributes": "strides = [1, 1]"}, "stride 1: there is one phase"),
        ({"attributes": "kernel_shape = [3, 3]"}, "stride 1: there is one phase"),
        ({"attributes": "strides = [2, 2], group = 2", "w": normal(2, 1, 3, 3)}, "it has groups"),
        ({"attributes": "strides = [2, 2], dilations = [1, 2]"}, "it is dilated"),
        ({"attributes": 'strides = [2, 2], auto_pad = "SAME_UPPER"'}, PADS),
        ({"attributes": "strides = [2, 2], output_shape = [6, 6]"}, PADS),
        ({"inputs": "x, w, computed"}, "its bias is computed"),
        ({"inputs": "x, x"}, WEIGHTS),
        ({"inputs": "x, given"}, WEIGHTS),
        ({"rows": "h"}, "the size of its input is unknown"),
    ],
)
def test_unsupported_layers_are_kept_with_the_reason(rewrite, change, reason, caplog):
    change = {"attributes": "strides = [2, 2]", "inputs": "x, w", "w": normal(2, 2, 3, 3), "rows": 3, **change}
    proto = parse(
        f"""
        layer (float[batch,2,{change["rows"]},3] x, float[2,2,3,3] given) => (float[batch,c,h,v] y) {{
            computed = ReduceMax <axes = [0, 2, 3], keepdims = 0> (x)
            [it] y = ConvTranspose <{change["attributes"]}> ({change["inputs"]})
        }}
        """,
        opset=15,
        w=change["w"],
        given=normal(2, 2, 3, 3),  # a default, not a constant
    )
    assert_left_alone(proto, rewrite, caplog, reason)


@both
def test_layers_of_one_and_three_axes_are_kept(rewrite, caplog):
    for size in ([4], [2, 3, 4]):
        proto = parse(
            f"""
            layer (float[batch,2{"".join(f",{n}" for n in size)}] x) => (float[{",".join("abcde"[: len(size) + 2])}] y) {{
                [it] y = ConvTranspose <strides = {[2 for _ in size]}> (x, w)
            }}
            """,
            w=normal(2, 2, *(3 for _ in size)),
        )
        assert_left_alone(proto, rewrite, caplog, WEIGHTS)

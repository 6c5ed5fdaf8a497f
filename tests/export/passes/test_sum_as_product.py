import numpy as np
import pytest

from cvae_export.passes import SumAsProduct
from tests.export.tiny_graphs import assert_left_alone, assert_same, operators, parse, rewritten


@pytest.mark.parametrize("axis", [-1, 3])
def test_the_last_axis_is_summed_by_a_product(axis):
    proto = parse(
        "sum (float[batch,3,2,5] x) => (float[batch,3,2] y) { y = ReduceSum <keepdims = 0> (x, axes) }",
        axes=np.array([axis]),
    )
    result, names = rewritten(proto, SumAsProduct())
    assert (operators(result), names) == (["MatMul", "Reshape"], ["SumAsProduct"])
    assert_same(result, proto)


def test_a_sum_may_keep_its_axis():
    proto = parse("sum (float[batch,5] x) => (float[batch,1] y) { y = ReduceSum (x, axes) }", axes=np.array([-1]))
    result, _ = rewritten(proto, SumAsProduct())
    assert operators(result) == ["MatMul"]
    assert_same(result, proto)


@pytest.mark.parametrize(
    ("x", "y", "axes", "reason"),
    [
        ("float[batch,3,5]", "float[batch,1,5]", [1], "it sums over other axes than the last"),
        ("float[batch,3,5]", "float[batch,1,1]", [1, 2], "it sums over other axes than the last"),
        ("double[batch,3,5]", "double[batch,3,1]", [2], "it does not sum float32"),
        ("float[batch,3,n]", "float[batch,3,1]", [2], "its sizes are unknown"),
        ("float[batch]", "float[1]", [0], "its sizes are unknown"),
    ],
)
def test_other_sums_are_left_alone(x, y, axes, reason, caplog):
    proto = parse(f"sum ({x} x) => ({y} y) {{ [it] y = ReduceSum (x, axes) }}", axes=np.array(axes))
    assert_left_alone(proto, SumAsProduct(), caplog, reason)

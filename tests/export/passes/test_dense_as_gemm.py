import pytest

from cvae_export.passes import DenseAsGemm
from tests.export.tiny_graphs import assert_left_alone, assert_same, normal, operators, parse, rewritten


def dense(x="3", dense="MatMul (x, w)", added="s, b", y="float[batch,5] y", after="", w=(3, 5), b=(5,)):
    text = f"""
    dense (float[batch,{x}] x) => ({y}) {{
        [it] s = {dense}
        {"y = Add (" + added + ")" if added else ""} {after}
    }}
    """
    return parse(text, w=normal(*w), b=normal(*b))


@pytest.mark.parametrize("bias", [(5,), (1,)])
def test_a_dense_layer_becomes_gemm(bias):
    proto = dense(b=bias)
    result, names = rewritten(proto, DenseAsGemm())
    assert (operators(result), names) == (["Gemm"], ["DenseAsGemm"])
    assert_same(result, proto)


NO_VECTORS = "it is not a product of vectors with a constant matrix"
NO_BIAS = "no constant vector is added to it"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"x": "2,3", "y": "float[batch,2,5] y"}, NO_VECTORS),
        ({"w": (3,), "y": "float[n] y"}, NO_VECTORS),
        ({"dense": "MatMul (x, x)", "b": (1,), "y": "float[n,m] y"}, NO_VECTORS),
        ({"x": "n"}, NO_VECTORS),
        ({"added": "", "y": "float[batch,5] s"}, NO_BIAS),
        ({"added": "", "y": "float[batch,5] y", "after": "y = Relu (s)"}, NO_BIAS),
        ({"added": "s, s"}, NO_BIAS),
        ({"y": "float[batch,5] y, float[batch,5] s"}, NO_BIAS),
        ({"b": (1, 5)}, NO_BIAS),
        ({"b": ()}, NO_BIAS),
        ({"w": (3, 1)}, NO_BIAS),  # five sums with one product
    ],
)
def test_unsupported_nodes_are_kept(change, reason, caplog):
    assert_left_alone(dense(**change), DenseAsGemm(), caplog, reason)

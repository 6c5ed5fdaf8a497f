import numpy as np
import onnx
import onnx_ir as ir
import pytest

from cvae_export.passes import FoldConstants, _fold_constants
from tests.export.tiny_graphs import assert_same, normal, operators, parse, rewritten


def test_constant_nodes_are_folded():
    proto = parse(
        """
        folded (float[batch,3] x) => (float[batch,2] y) {
            two = Constant <value_float = 2.0> ()
            doubled = Mul (w, two)
            order = Constant <value_ints = [3, 2]> ()
            matrix = Reshape (doubled, order)
            low = Cast <to = 1> (whole)
            s = MatMul (x, matrix)
            y = Clip (s, low)
        }
        """,
        w=normal(2, 3),
        whole=np.int64(-1),
    )
    result, names = rewritten(proto, FoldConstants())
    assert (operators(result), names) == (["MatMul", "Clip"], ["FoldConstants"])
    assert_same(result, proto)


def test_nothing_to_fold():
    proto = parse("plain (float[batch,3] x) => (float[batch,3] y) { y = Relu (x) }")
    result, names = rewritten(proto, FoldConstants())
    assert (operators(result), names) == (["Relu"], [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("c = Relu (x) y = Neg (c)", "an input is not constant"),
        ("c = Relu (given) y = Add (x, c)", "an input is not constant"),
        ("y = Relu (w)", "its output is a graph output"),
        ("y = Constant <value_floats = [1.0, 2.0, 3.0]> ()", "its output is a graph output"),
        ("c = Bernoulli (w) y = Add (x, c)", "it is not a deterministic function with one output"),
        ("c = RandomNormalLike (w) y = Add (x, c)", "it is not a deterministic function with one output"),
        ("c = RandomNormal <shape = [3]> () y = Add (x, c)", "it is not a deterministic function with one output"),
        ("c, d = Split <num_outputs = 2> (w) y = Concat <axis = 0> (c, d)", "it is not a deterministic function with one output"),
        ("c = com.other.Relu (w) y = Add (x, c)", "it is not a deterministic function with one output"),
    ],
)  # fmt: skip
def test_unsupported_nodes_are_kept(body, reason):
    text = f'<ir_version: 8, opset_import: ["" : 18, "com.other" : 1]> left (float[3] x, float[3] given) => (float[3] y) {{ {body} }}'
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(parse("c () => () {}", w=normal(3), given=normal(3)).graph.initializer)
    model = ir.from_proto(proto)
    assert not FoldConstants()(model).modified
    assert _fold_constants._check(next(iter(model.graph))) == reason


def test_branches_are_left_alone():
    text = """
    branch (float[batch,3] x) => (float[batch,3] y) {
        c = If (on) <
            then_branch = yes () => (float[3] one) { one = Identity (w) },
            else_branch = no () => (float[3] other) { other = Neg (w) }
        >
        y = Add (x, c)
    }
    """
    proto = parse(text, on=np.array(True), w=normal(3))
    result, names = rewritten(proto, FoldConstants())
    assert names == []
    assert_same(result, proto)


def test_large_constants_are_not_folded():
    proto = parse(
        "large (float[batch,1] x) => (float[batch,n] y) { c = ConstantOfShape (shape) y = Add (x, c) }",
        shape=np.array([(1 << 20) + 1]),
    )
    assert rewritten(proto, FoldConstants())[1] == []

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_export.passes import DenseLayout
from tests.export.tiny_graphs import (
    assert_close,
    assert_left_alone,
    assert_same,
    inputs_of,
    normal,
    operators,
    parse,
    rewritten,
    run,
)


def to_image(shape, order, between="", bias=None, y=None):
    """A dense layer whose units become a transposed image of this shape."""
    units = int(np.prod(shape))
    image = ",".join(str(shape[axis - 1]) for axis in order)
    text = f"""
    dense (float[batch,3] z) => ({y or f"float[batch,{image}] y"}) {{
        s = MatMul (z, w)
        {"v = Add (s, b)" if bias else "v = Identity (s)" if bias is not None else ""}
        {between or "u = Relu (v)"}
        i = Reshape (u, shape)
        [it] y = Transpose <perm = {[0, *order]}> (i)
    }}
    """
    constants = {"b": normal(*bias)} if bias else {}
    return parse(text, w=normal(3, units), shape=np.array([-1, *shape]), **constants)


def to_vector(shape, order, after="y = MatMul (v, w)", vector=None, y="float[batch,4] y", w=None):
    """A dense layer that takes a flattened, transposed image of this shape."""
    units = int(np.prod(shape))
    text = f"""
    dense (float[batch{"".join(f",{n}" for n in shape)}] x) => ({y}) {{
        r = Relu (x)
        [it] t = Transpose <perm = {[0, *order]}> (r)
        v = Reshape (t, shape)
        {after}
    }}
    """
    return parse(text, w=normal(*(w or (units, 4))), shape=np.array(vector or [-1, units]))


shapes = st.lists(st.integers(1, 4), min_size=3, max_size=3)
orders = st.permutations([1, 2, 3])


@given(shapes, orders, st.sampled_from(["sized", "one", None]))
def test_units_that_become_an_image_stand_in_its_order(shape, order, bias):
    sizes = {"sized": (int(np.prod(shape)),), "one": (1,), None: None}
    between = "u = LeakyRelu (v)" if bias else "u = LeakyRelu (s)"
    proto = to_image(shape, order, between, bias=sizes[bias])
    result, names = rewritten(proto, DenseLayout())
    assert names == ["DenseLayout"]
    assert operators(result) == [*(["MatMul", "Add"] if bias else ["MatMul"]), "LeakyRelu", "Reshape"]
    inputs = inputs_of(proto, 2)
    assert_close(run(result, inputs), run(proto, inputs))


@given(shapes, orders)
def test_an_image_that_is_flattened_is_taken_as_it_is(shape, order):
    proto = to_vector(shape, order)
    result, names = rewritten(proto, DenseLayout())
    assert (operators(result), names) == (["Relu", "Reshape", "MatMul"], ["DenseLayout"])
    inputs = inputs_of(proto, 2)
    assert_close(run(result, inputs), run(proto, inputs))


def test_activation_before_bias_and_computed_bounds():
    between = "a = Tanh (v) low = ReduceMin <keepdims = 0> (z) u = Clip (a, low)"
    proto = to_image([2, 3, 2], [3, 1, 2], between, bias=(12,))
    result, _ = rewritten(proto, DenseLayout())
    assert "Transpose" not in operators(result)
    assert_same(result, proto)


@pytest.mark.parametrize("passes", [1, 2])
def test_images_between_two_dense_layers(passes):
    proto = parse(
        """
        both (float[batch,3] z) => (float[batch,2] y) {
            s = MatMul (z, w)
            i = Reshape (s, image)
            first = Transpose <perm = [0, 3, 1, 2]> (i)
            r = Relu (first)
            last = Transpose <perm = [0, 2, 3, 1]> (r)
            v = Reshape (last, vector)
            y = MatMul (v, u)
        }
        """,
        w=normal(3, 12),
        u=normal(12, 2),
        image=np.array([-1, 2, 3, 2]),
        vector=np.array([-1, 12]),
    )
    result, names = rewritten(proto, *[DenseLayout()] * passes)
    assert names == ["DenseLayout"]
    assert operators(result) == ["MatMul", "Reshape", "Relu", "Reshape", "MatMul"]
    assert_same(result, proto)


ELSEWHERE = "no dense layer without other users comes before or after it"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"between": "u = Softmax (v)"}, ELSEWHERE),
        ({"bias": (1, 12)}, ELSEWHERE),
        ({"y": "float[batch,2,2,3] y, float[batch,12] v"}, ELSEWHERE),
        ({"y": "float[batch,2,2,3] y, float[batch,12] s"}, ELSEWHERE),
        ({"y": "float[batch,2,2,3] y, float[batch,2,3,2] i"}, ELSEWHERE),
        ({"between": "u = Add (v, v)"}, ELSEWHERE),
        ({"between": "q = Relu (v) u = MatMul (q, q)", "y": "float[n,a,b,c] y"}, ELSEWHERE),
    ],
)
def test_an_image_is_left_alone(change, reason, caplog):
    proto = to_image([2, 3, 2], [3, 1, 2], **{"bias": (12,), **change})
    assert_left_alone(proto, DenseLayout(), caplog, reason)


def test_the_batch_is_left_alone(caplog):
    for perm in ("<perm = [1, 0, 2]>", ""):
        text = f"moved (float[batch,2,3] x) => (float[a,b,c] y) {{ [it] y = Transpose {perm} (x) }}"
        assert_left_alone(parse(text), DenseLayout(), caplog, "it moves the batch axis")


@pytest.mark.parametrize(
    "change",
    [
        {"after": "y = Relu (v)", "y": "float[batch,12] y"},
        {"after": "y = MatMul (v, w) u = Tanh (v)", "y": "float[batch,4] y, float[batch,12] u"},
        {"y": "float[batch,4] y, float[batch,2,2,3] t"},
        {"vector": [-1, 1, 12], "y": "float[batch,1,4] y"},
        {"vector": [-1, 6], "w": (6, 4), "y": "float[n,4] y"},
        {"w": (12,), "y": "float[batch] y"},
        {"after": "y = MatMul (u, v)", "vector": [12, -1], "w": (4, 12), "y": "float[4,n] y"},
    ],
)
def test_a_vector_is_left_alone(change, caplog):
    if "MatMul (u" in change.get("after", ""):
        change = {**change, "after": "y = MatMul (w, v)"}
    assert_left_alone(to_vector([2, 3, 2], [3, 1, 2], **change), DenseLayout(), caplog, ELSEWHERE)


def test_units_that_are_divided_among_items_are_left_alone(caplog):
    text = """
    items (float[batch,3] z) => (float[n,2,3] y) {
        s = MatMul (z, w)
        i = Reshape (s, shape)
        [it] y = Transpose <perm = [0, 2, 1]> (i)
    }
    """
    assert_left_alone(parse(text, w=normal(3, 12), shape=np.array([-1, 3, 2])), DenseLayout(), caplog, ELSEWHERE)

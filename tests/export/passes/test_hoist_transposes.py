import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_export.passes import HoistTransposes
from tests.export.tiny_graphs import (
    assert_close,
    assert_left_alone,
    assert_same,
    inputs_of,
    operators,
    parse,
    rewritten,
    run,
)

# Steps from one value of the graph to the next.
STEPS = [
    "Mul ({}, half)",
    "Add ({}, one)",
    "Sub ({}, half)",
    "Div ({}, one)",
    "Max ({}, half)",
    "Tanh ({})",
    "Clip ({}, half)",
    "LeakyRelu <alpha = 0.1> ({})",
]


def images(*steps, moving="Transpose <perm = [0, 3, 1, 2]>", parameter="", element="uint8", y="float[batch,a,b,c] y"):
    """Images of bytes that are cast, changed element by element, and moved."""
    names = [f"v{n}" for n in range(len(steps) + 1)]
    text = f"""
    images ({element}[batch,4,3,2] x) => ({y}) {{
        v0 = Cast <to = 1> (x)
        {" ".join(f"{new} = {step.format(old)}" for old, new, step in zip(names, names[1:], steps, strict=False))}
        [it] y = {moving} ({names[-1]}{parameter})
    }}
    """
    return parse(text, half=np.float32(0.5), one=np.array([1.5], np.float32), shape=np.array([0, -1, 12]))


@given(st.lists(st.sampled_from(STEPS), max_size=4), st.booleans())
def test_images_are_moved_before_they_are_changed(steps, reshape):
    how = {"moving": "Reshape", "parameter": ", shape", "y": "float[batch,a,b] y"} if reshape else {}
    proto = images(*steps, **how)
    result, names = rewritten(proto, HoistTransposes())
    assert names == ["HoistTransposes"]
    before = operators(proto)
    assert operators(result) == [before[-1], *before[:-1]]
    inputs = inputs_of(proto, 3)
    assert_close(run(result, inputs), run(proto, inputs), 0.0)


def test_binarization_keeps_its_types():
    proto = parse(
        """
        images (uint8[batch,4,4,1] x) => (float[batch,1,4,4] y) {
            f = Cast <to = 1> (x)
            on = GreaterOrEqual (f, threshold)
            seen = Cast <to = 1> (on)
            y = Reshape (seen, shape)
        }
        """,
        threshold=np.float32(128),
        shape=np.array([-1, 1, 4, 4]),
    )
    result, _ = rewritten(proto, HoistTransposes())
    assert operators(result) == ["Reshape", "Cast", "GreaterOrEqual", "Cast"]
    assert_same(result, proto)


NOTHING = "no element-wise node comes before it"
NO_INPUT = "the nodes before it do not start at the graph's input"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": ["Mul ({0}, {0})"]}, NOTHING),
        ({"steps": ["Softmax ({})"]}, NOTHING),
        ({"steps": ["Mul ({}, wide)"]}, NOTHING),
        ({"steps": ["Mul ({}, axes)"]}, NOTHING),
        ({"steps": ["Softmax ({})", "Relu ({})"]}, NO_INPUT),
        ({"y": "float[batch,a,b,c] y, float[batch,4,3,2] v0"}, NOTHING),
        ({"moving": "Reshape", "parameter": ", computed"}, "the shape is computed"),
    ],
)
def test_unsupported_nodes_are_kept(change, reason, caplog):
    change = dict(change)
    proto = images(*change.pop("steps", []), **change)
    shape = parse("s (uint8[batch,4,3,2] x) => (int64[4] computed) { computed = Shape (x) }").graph.node[0]
    proto.graph.node.insert(0, shape)
    for name, array in {"wide": np.float32([0.5, 2.0]), "axes": np.full((1, 1, 1, 1), 0.5, np.float32)}.items():
        proto.graph.initializer.append(parse("c () => () {}", **{name: array}).graph.initializer[0])
    assert_left_alone(proto, HoistTransposes(), caplog, reason)


def test_value_with_other_users_is_kept():
    proto = parse(
        """
        images (float[batch,4,3,2] x) => (float[batch,2,4,3] y, float[batch,4,3,2] z) {
            r = Relu (x)
            t = Tanh (r)
            z = Sigmoid (r)
            y = Transpose <perm = [0, 3, 1, 2]> (t)
        }
        """
    )
    result, names = rewritten(proto, HoistTransposes())
    assert names == []
    assert_same(result, proto)

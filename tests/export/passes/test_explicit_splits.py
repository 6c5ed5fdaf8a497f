import pytest

from cvae_export.passes import ExplicitSplits
from tests.export.tiny_graphs import assert_left_alone, assert_same, operators, parse, rewritten


def split(size, attributes, opset=18, given="", constants=None):
    """A vector that is split into two parts."""
    text = f"""
    codes (float[batch,{size}] x) => (float[batch,a] mean, float[batch,b] logvar) {{
        [it] mean, logvar = Split <{attributes}> (x{given})
    }}
    """
    return parse(text, opset, **(constants or {}))


@pytest.mark.parametrize(
    ("opset", "attributes"), [(13, "axis = 1"), (15, "axis = -1"), (18, "axis = 1, num_outputs = 2")]
)
def test_equal_parts_get_their_sizes(opset, attributes):
    proto = split(6, attributes, opset)
    result, names = rewritten(proto, ExplicitSplits())
    assert (operators(result), names) == (["Split"], ["ExplicitSplits"])
    (node,) = result.graph.node
    assert [attribute.name for attribute in node.attribute] == ["axis"]
    (sizes,) = [tensor for tensor in result.graph.initializer if tensor.name == node.input[1]]
    assert [*sizes.int64_data] == [3, 3] or sizes.raw_data == bytes([3, 0, 0, 0, 0, 0, 0, 0] * 2)
    assert_same(result, proto)


def test_other_splits_are_kept(caplog):
    assert_left_alone(split(5, "axis = 1, num_outputs = 2"), ExplicitSplits(), caplog, "its parts are not equal")
    unknown = split("unknown", "axis = 1, num_outputs = 2")
    assert_left_alone(unknown, ExplicitSplits(), caplog, "the size of its axis is unknown")
    given = split(5, "axis = 1", given=", sizes", constants={"sizes": [2, 3]})
    assert_left_alone(given, ExplicitSplits(), caplog, "its sizes are given")

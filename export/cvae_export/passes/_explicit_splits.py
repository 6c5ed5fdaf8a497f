"""State the sizes of the parts of a Split: converters such as pnnx do not derive them from the number of outputs."""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer


class ExplicitSplits(NodeRewrite):
    """Give a Split into equal parts their sizes as a constant."""

    op_type = "Split"

    def check(self, node: ir.Node) -> str | None:
        if len(node.inputs) > 1 and node.inputs[1] is not None:
            return "its sizes are given"
        size = _size(node)
        if size is None:
            return "the size of its axis is unknown"
        return "its parts are not equal" if size % len(node.outputs) else None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        size = _size(node)
        assert size is not None  # by `check`
        sizes = np.full(len(node.outputs), size // len(node.outputs), np.int64)
        node.attributes.pop("num_outputs", None)
        node.resize_inputs(2)
        node.replace_input_with(1, Writer.before(graph, node).constant(sizes))


def _size(node: ir.Node) -> int | None:
    """Return the size of the axis that a node splits; None if it is unknown."""
    value = node.inputs[0]
    if value is None or value.shape is None:
        return None
    size = value.shape[node.attributes.get_int("axis", 0)]
    return size if isinstance(size, int) else None

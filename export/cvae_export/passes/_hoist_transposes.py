"""Transposes and reshapes of the graph's input in front of what is done to each of its elements.

Moving elements and then changing each by itself is the same as the other way round. First there are bytes to be moved, not floats; and
ONNX Runtime's CPU provider takes twenty times as long to combine an image with a number where the image's last axis is a single
channel, a third of the default encoder's time.
"""

import onnx_ir as ir

from ._rewrite import ELEMENTWISE, NodeRewrite, Writer, constant, only_user, replace

_WITH_A_NUMBER = {"Add", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mul", "Sub"}


class HoistTransposes(NodeRewrite):
    """Move Reshape and Transpose in front of element-wise nodes, if these go back to the graph's input."""

    op_type = ("Reshape", "Transpose")

    def check(self, node: ir.Node) -> str | None:
        if node.op_type == "Reshape" and constant(node.inputs[1]) is None:
            return "the shape is computed"
        before = _before(node)
        if not before:
            return "nothing element-wise stands before it"
        start = before[0].inputs[0]
        if start is None or not start.is_graph_input():
            return "what stands before does not go back to the graph's input"
        return None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        before = _before(node)
        write = Writer(graph, node)
        value = write.copy(node, before[0].inputs[0])
        for element in before:
            value = write.copy(element, value)
        replace(graph, node.outputs[0], value, [node, *reversed(before)])


def _before(node: ir.Node) -> list[ir.Node]:
    """The chain of element-wise nodes in front of a node, first first, each for the next alone."""
    nodes: list[ir.Node] = []
    while True:
        value = (nodes[0] if nodes else node).inputs[0]
        before = value.producer() if value is not None else None
        if value is None or before is None or only_user(value) is None or not _is_elementwise(before):
            return nodes
        nodes.insert(0, before)


def _is_elementwise(node: ir.Node) -> bool:
    if node.op_type in (*ELEMENTWISE, "Cast"):
        return True
    number = constant(node.inputs[1]) if node.op_type in _WITH_A_NUMBER and len(node.inputs) == 2 else None
    return number is not None and number.size == 1 and number.ndim <= 1  # more axes might become the result's

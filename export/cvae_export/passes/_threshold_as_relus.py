"""Write thresholds of integers with Relu: small runtimes have neither comparisons nor casts from booleans.

For whole numbers x and t,

    (x >= t) = relu(x - (t - 1)) - relu(x - t)

without rounding, as long as float holds both exactly. The operators of the binarization, a GreaterOrEqual and a Cast,
become three Sub and two Relu. A Clip would need fewer operators, but OpenCV 4.6 does not read it.
"""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, constant, only_user, replace

_BYTES = {ir.DataType.UINT8, ir.DataType.INT8}  # every type of floating point holds their values
_MOVES = {"Identity", "Reshape", "Transpose"}
_FLOATS = {ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16}


class ThresholdAsRelus(NodeRewrite):
    """Rewrite the Cast of a comparison of whole numbers with a threshold as Sub and Relu."""

    op_type = "Cast"

    def check(self, node: ir.Node) -> str | None:
        comparison = _comparison(node)
        if comparison is None:
            return "it casts no result of GreaterOrEqual"
        values, threshold = comparison.inputs
        if values is None or values.dtype not in _FLOATS or node.attributes.get_int("to") != values.dtype:
            return "its type is not that of the compared values"
        number = constant(threshold)
        if number is None or number.size != 1 or number.ndim > 1 or not 1 <= number.item() <= 255:
            return "the threshold is not a number from 1 to 255"
        return None if number.item() == int(number.item()) and _is_whole(values) else "it may compare fractions"

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        comparison = _comparison(node)
        assert comparison is not None  # by `check`
        values, threshold = comparison.inputs
        number = constant(threshold)
        assert number is not None
        write = Writer(graph, node)
        above = [write("Relu", write("Sub", values, np.array(number.item() - below, number.dtype))) for below in (1, 0)]
        replace(graph, node.outputs[0], write("Sub", *above), [node, comparison])


def _comparison(node: ir.Node) -> ir.Node | None:
    """Return the comparison whose result a node alone casts, or None."""
    value = node.inputs[0]
    producer = None if value is None or only_user(value) is None else value.producer()
    return producer if producer is not None and producer.op_type == "GreaterOrEqual" else None


def _is_whole(value: ir.Value | None) -> bool:
    """Whether a value consists of whole numbers: rounded ones, or a cast of bytes."""
    producer = None if value is None else value.producer()
    if producer is None:
        return False
    if producer.op_type in _MOVES:
        return _is_whole(producer.inputs[0])
    source = producer.inputs[0]
    if producer.op_type == "Cast" and source is not None:
        return source.dtype in _BYTES or _is_whole(source)
    return producer.op_type == "Round"

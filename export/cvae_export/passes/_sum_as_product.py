"""Rewrite sums over the last axis as products with a matrix of ones, since some converters lose the axis of a sum.

pnnx, the converter of ncnn, does, and OpenCV 4.6 does not read the axes of opset 13. ONNX Runtime computes both forms
equally fast.
"""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, constant, replace, sizes


class SumAsProduct(NodeRewrite):
    """Rewrite ReduceSum over the last axis, in float32, as MatMul and Reshape."""

    op_type = "ReduceSum"

    def check(self, node: ir.Node) -> str | None:
        value, axes = node.inputs[0], constant(node.inputs[1]) if len(node.inputs) > 1 else None
        if value is None or value.dtype != ir.DataType.FLOAT:
            return "it does not sum float32"
        found = sizes(value)
        if not found:
            return "its sizes are unknown"
        if axes is None or axes.tolist() not in ([-1], [len(found)]):
            return "it sums over other axes than the last"
        return None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        value = node.inputs[0]
        assert value is not None
        found = sizes(value)
        assert found is not None  # by `check`
        *kept, summed = found
        write = Writer(graph, node)
        product = write("MatMul", value, np.ones((summed, 1), np.float32))
        if not node.attributes.get_int("keepdims", 1):
            product = write("Reshape", product, np.array([-1, *kept]))
        replace(graph, node.outputs[0], product, [node])

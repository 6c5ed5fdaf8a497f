"""Merge a matrix product and its bias into Gemm, which ONNX Runtime computes entirely in 8 bits."""

import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, constant, only_user, replace, sizes


class DenseAsGemm(NodeRewrite):
    """Rewrite MatMul of vectors and constant weights, and Add of a constant vector, as Gemm."""

    op_type = "MatMul"

    def check(self, node: ir.Node) -> str | None:
        weights, add = constant(node.inputs[1]), only_user(node.outputs[0])
        if weights is None or weights.ndim != 2 or node.inputs[0] is None or len(sizes(node.inputs[0]) or []) != 1:
            return "it is not a product of vectors with a constant matrix"
        bias = constant(add.inputs[1]) if add is not None and add.op_type == "Add" else None
        fits = bias is not None and bias.shape in ((1,), weights.shape[1:])
        return None if fits else "no constant vector is added to it"

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        add = only_user(node.outputs[0])
        assert add is not None  # by `check`
        replace(graph, add.outputs[0], Writer(graph, add)("Gemm", *node.inputs, add.inputs[1]), [add, node])

"""Fold nodes whose inputs are all constants, by onnx's reference evaluator."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from ._rewrite import Writer, constant, replace

_RANDOM = ("Bernoulli", "Dropout", "Multinomial", "Random")  # prefixes of operators
_LIMIT = 1 << 20  # elements of an output; larger ones would make the graph grow


class FoldConstants(ir.passes.InPlacePass):
    """Replace nodes of constants with their outputs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if _check(node) is None:
                modified |= _rewrite(model, node)
        return ir.passes.PassResult(model, modified=modified)


def _check(node: ir.Node) -> str | None:
    """Return why a node is not folded, or None if it is."""
    if node.domain != "" or len(node.outputs) != 1 or node.op_type.startswith(_RANDOM) or _has_subgraph(node):
        return "it is not a deterministic function with one output"
    if node.outputs[0].is_graph_output():
        return "its output is a graph output"
    if node.op_type == "Constant":
        return None
    if not node.inputs or any(value is not None and constant(value) is None for value in node.inputs):
        return "an input is not constant"
    return None


def _has_subgraph(node: ir.Node) -> bool:
    return any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attribute in node.attributes.values()
    )


def _rewrite(model: ir.Model, node: ir.Node) -> bool:
    inputs = {str(value.name): np.asarray(constant(value)) for value in node.inputs if value is not None}
    graph = onnx.helper.make_graph(
        [ir.to_proto(node)],
        "folded",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [onnx.ValueInfoProto(name=node.outputs[0].name)],
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    (output,) = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=opsets)).run(None, inputs)
    if not isinstance(output, np.ndarray | np.generic) or np.size(output) > _LIMIT:
        return False
    replace(model.graph, node.outputs[0], Writer(model.graph, node).constant(np.asarray(output)), [node])
    return True

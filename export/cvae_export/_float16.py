"""Graphs in float16: half the size, for GPUs and the web.

Products with weights, and all operators between them, are in float16. Operators before the first product (scaling,
binarization) and after the last one (biases, sigmoids) stay in float32. They take no time, and near p = 1 float16 has
steps of 2^-11, too coarse for log(1 - p). Inputs and outputs are those of the float32 graph.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
from numpy.typing import NDArray

from ._calibrate import run_for
from ._convert import ConversionError
from ._reference import Arrays

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_LARGEST = float(np.finfo(np.float16).max)


def to_float16(graph: bytes, inputs: Iterable[Arrays] = ()) -> bytes:
    """Convert an ONNX file from float32 to weights and arithmetic in float16.

    Args:
        graph: the file.
        inputs: batches by input name, to check that activations fit into float16's range. Running the result would not
            show it: on a CPU, ONNX Runtime computes in float32.

    Raises:
        ConversionError: a weight or an activation is beyond float16's range, or onnx's full checker rejects the result.
    """
    float32 = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph), strict_mode=True)
    model = ir.from_proto(float32)
    narrowed: dict[ir.Value, ir.Value] = {}  # float32 values and their float16 versions
    for node in _from_first_to_last_product(model.graph):
        narrows = False
        for index, value in enumerate(node.inputs):
            if value is not None and value.dtype == ir.DataType.FLOAT and _takes_float16(node, index):
                if value not in narrowed:
                    narrowed[value] = _narrow(value, node)
                node.replace_input_with(index, narrowed[value])
                narrows = True
        for value in node.outputs:
            if narrows and value.dtype == ir.DataType.FLOAT:
                narrowed[_widen(value, node)] = value
    _check_activations(
        ir.from_proto(float32), [str(value.name) for value in narrowed if value.producer() is not None], inputs
    )
    common_passes.RemoveUnusedNodesPass()(model)
    proto = ir.to_proto(model)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"cannot convert to float16: {str(error).strip()}; leave that precision out") from error
    return proto.SerializeToString(deterministic=True)


def _from_first_to_last_product(graph: ir.Graph) -> list[ir.Node]:
    """Return the products and all nodes between two products, in the graph's order."""
    reached: set[ir.Node] = set()
    for node in graph:
        if node.op_type in _PRODUCTS or not reached.isdisjoint(node.predecessors()):
            reached.add(node)
    reaching: set[ir.Node] = set()
    for node in reversed(graph):
        if node.op_type in _PRODUCTS or not reaching.isdisjoint(node.successors()):
            reaching.add(node)
    return [node for node in graph if node in reached and node in reaching]


def _takes_float16(node: ir.Node, index: int) -> bool:
    """Whether an input may be float16; scales of Resize, for example, may not."""
    assert node.graph is not None
    inputs = onnx.defs.get_schema(node.op_type, node.graph.opset_imports[node.domain], node.domain).inputs
    return "tensor(float16)" in inputs[min(index, len(inputs) - 1)].types


def _narrow(value: ir.Value, node: ir.Node) -> ir.Value:
    """Return a float32 value in float16, for a node and later ones: a new initializer, or a Cast before the node."""
    assert node.graph is not None
    half = ir.Value(name=f"{value.name}_float16", type=ir.TensorType(ir.DataType.FLOAT16), shape=value.shape)
    if value.const_value is None:
        node.graph.insert_before(node, ir.node("Cast", [value], {"to": ir.DataType.FLOAT16}, outputs=[half]))
        return half
    array = value.const_value.numpy()
    _check_range(str(value.name), array)
    half.const_value = ir.tensor(array.astype(np.float16), name=half.name)
    node.graph.register_initializer(half)
    return half


def _widen(value: ir.Value, node: ir.Node) -> ir.Value:
    """Make the output of a node float16, and add a Cast to float32 after it for its users."""
    assert node.graph is not None
    wide = ir.Value(name=value.name, type=value.type, shape=value.shape)
    value.replace_all_uses_with(wide, replace_graph_outputs=True)
    value.name, value.type = f"{value.name}_float16", ir.TensorType(ir.DataType.FLOAT16)
    node.graph.insert_after(node, ir.node("Cast", [value], {"to": ir.DataType.FLOAT}, outputs=[wide]))
    return wide


def _check_activations(model: ir.Model, names: Sequence[str], inputs: Iterable[Arrays]) -> None:
    """Raise `ConversionError` if named values of a float32 graph exceed float16's range."""
    if not names:  # a graph with a single product has no values between products
        return
    run = run_for(model, names)
    for batch in inputs:
        for name, array in run(batch).items():
            _check_range(name, array)


def _check_range(name: str, array: NDArray[np.float32]) -> None:
    if not (largest := float(np.abs(array).max(initial=0.0))) <= _LARGEST:  # written so that NaN fails
        raise ConversionError(
            f"float16 holds values up to {_LARGEST:g}, found {largest:g} in {name!r}; leave that precision out"
        )

"""Fold transposes between a dense layer and a convolution into the dense layer's weights.

TensorFlow's images have channels last, ONNX's convolutions have channels first. So tf2onnx writes a Transpose
between a convolution and a dense layer whose units are an image. The units of a dense layer may have any order:
permuting the columns of its weights, and its bias, replaces a Transpose after it. Permuting the rows of its weights
replaces a Transpose before it. Element-wise operators between them do not depend on the order.
"""

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._rewrite import ELEMENTWISE, NodeRewrite, Writer, constant, only_user, replace, sizes


class DenseLayout(NodeRewrite):
    """Remove Transpose before or after a dense layer by reordering its weights."""

    op_type = "Transpose"

    def check(self, node: ir.Node) -> str | None:
        if _permutation(node) is None:
            return "it moves the batch axis"
        if _dense_before(node) is None and _dense_behind(node) is None:
            return "no dense layer without other users comes before or after it"
        return None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        if _dense_before(node) is not None:
            _reorder_columns(graph, node)
        else:
            _reorder_rows(graph, node)


def _permutation(node: ir.Node) -> list[int] | None:
    """The order of the axes after the batch, counted from 0."""
    axes = node.attributes.get_ints("perm", [])
    return [axis - 1 for axis in axes[1:]] if axes and axes[0] == 0 else None


def _dense_before(node: ir.Node) -> tuple[ir.Node, list[ir.Node], ir.Node] | None:
    """Return Reshape, element-wise nodes and bias, last first, and MatMul, before a Transpose."""
    reshape = node.inputs[0].producer() if node.inputs[0] is not None else None
    shape = None if reshape is None else sizes(reshape.outputs[0])
    if reshape is None or reshape.op_type != "Reshape" or shape is None:
        return None
    between: list[ir.Node] = []
    node_before = reshape
    while True:
        value = node_before.inputs[0]
        if only_user(node_before.outputs[0]) is None or value is None or (before := value.producer()) is None:
            return None
        if before.op_type == "MatMul":
            weights = constant(before.inputs[1])
            fits = weights is not None and weights.ndim == 2 and weights.shape[1] == math.prod(shape)
            return (reshape, between, before) if fits and only_user(before.outputs[0]) is not None else None
        added = constant(before.inputs[1]) if before.op_type == "Add" else None
        if before.op_type not in ELEMENTWISE and (added is None or added.ndim != 1):
            return None
        between.append(before)
        node_before = before


def _dense_behind(node: ir.Node) -> tuple[ir.Node, ir.Node] | None:
    """Return Reshape to vectors and MatMul, after a Transpose."""
    reshape = only_user(node.outputs[0])
    shape = None if node.inputs[0] is None else sizes(node.inputs[0])
    if reshape is None or reshape.op_type != "Reshape" or shape is None:
        return None
    dense = only_user(reshape.outputs[0])
    if dense is None or dense.op_type != "MatMul" or sizes(reshape.outputs[0]) != [math.prod(shape)]:
        return None
    weights = constant(dense.inputs[1])
    return (reshape, dense) if weights is not None and weights.ndim == 2 else None


def _order(shape: list[int], permutation: list[int]) -> NDArray[np.int64]:
    """Return the flat indices of an array's elements in the order of its transpose."""
    return np.arange(math.prod(shape)).reshape(shape).transpose(permutation).ravel()


def _reorder_columns(graph: ir.Graph, node: ir.Node) -> None:
    found, permutation = _dense_before(node), _permutation(node)
    assert found is not None
    assert permutation is not None
    reshape, between, dense = found
    shape = sizes(reshape.outputs[0])
    assert shape is not None
    order = _order(shape, permutation)
    write = Writer(graph, node)
    value = write("MatMul", dense.inputs[0], np.asarray(constant(dense.inputs[1]))[:, order])
    for middle in reversed(between):
        if middle.op_type == "Add":
            added = np.asarray(constant(middle.inputs[1]))
            value = write("Add", value, added[order] if added.size > 1 else added)
        else:
            value = write.copy(middle, value)
    value = write("Reshape", value, np.array([-1, *(shape[axis] for axis in permutation)]))
    replace(graph, node.outputs[0], value, [node, reshape, *between, dense])


def _reorder_rows(graph: ir.Graph, node: ir.Node) -> None:
    found, permutation = _dense_behind(node), _permutation(node)
    assert found is not None
    assert permutation is not None
    assert node.inputs[0] is not None
    reshape, dense = found
    shape = sizes(node.inputs[0])
    assert shape is not None
    weights = np.asarray(constant(dense.inputs[1]))
    rows = np.empty_like(weights)
    rows[_order(shape, permutation)] = weights
    write = Writer(graph, dense)
    value = write("MatMul", write("Reshape", node.inputs[0], np.array([-1, math.prod(shape)])), rows)
    replace(graph, dense.outputs[0], value, [dense, reshape, node])

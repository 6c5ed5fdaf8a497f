"""Transposed convolutions with a stride as one convolution for each row phase, for arithmetic in 8 bits.

As `_output_phases`, but the column phases of a row are the channels of one convolution, whose kernel covers the columns that
any of them needs. For a 3x3 kernel of stride 2 that is 12 products where 9 are needed; in exchange the map is put together by one
concatenation of whole rows in the layout with channels last, which ONNX Runtime's 8-bit convolutions have anyway: the Transposes
that are written here cancel with those that it puts round its convolutions. Nothing leaves 8 bits on the way to the next layer.
"""

import numpy as np
import onnx_ir as ir

from ._interleave import crop
from ._phases import Transposed, read, unfit, upsamples
from ._rewrite import NodeRewrite, Writer, constant, elementwise_users, only_user, replace

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # to channels last, and back


class OutputRows(NodeRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each row phase, their rows concatenated in turn."""

    op_type = "ConvTranspose"

    def check(self, node: ir.Node) -> str | None:
        return unfit(node) if upsamples(node) else "stride 1: there is one phase"

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        layer, write = read(node), Writer(graph, node)
        behind = list(elementwise_users(node.outputs[0]))
        rows = []
        for row in range(layer.strides[0]):
            weights, bias, pads = layer.convolution([row], range(layer.strides[1]))
            value = write("Conv", node.inputs[0], weights, bias, kernel_shape=list(weights.shape[2:]), pads=pads)
            for activation in behind:
                value = write.copy(activation, value)
            rows.append(value)
        whole = _stack(write, rows, layer)
        last = [node, *behind][-1]
        replace(graph, last.outputs[0], crop(write, whole, layer), [*reversed(behind), node])


def _stack(write: Writer, rows: list[ir.Value], layer: Transposed) -> ir.Value:
    """Row phases (N, sw * C, h, w) as (N, C, sh * h, sw * w)."""
    height, width = (axis.phase_size for axis in layer.axes)
    (row_stride, column_stride), channels = layer.strides, layer.channels
    shape = np.array([-1, height, 1, width * column_stride * channels])
    lines = [write("Reshape", write("Transpose", row, perm=LAST), shape) for row in rows]
    whole = np.array([-1, row_stride * height, column_stride * width, channels])
    return write("Transpose", write("Reshape", write("Concat", *lines, axis=2), whole), perm=FIRST)


def stacked_rows(value: ir.Value | None) -> tuple[list[ir.Value], list[ir.Node]] | None:
    """The row phases that `OutputRows` made a value of, and the nodes, last first; None if it is of another kind."""
    nodes = []
    for op_type in ("Transpose", "Reshape", "Concat"):
        node = None if value is None else value.producer()
        if node is None or node.op_type != op_type or only_user(node.outputs[0]) is None:
            return None
        nodes.append(node)
        value = node.inputs[0]
    rows = []
    if nodes[2].attributes.get_int("axis", 0) != 2:
        return None
    for line in nodes[2].inputs:
        reshape = line.producer() if line is not None else None
        transpose = reshape.inputs[0].producer() if reshape is not None and reshape.inputs[0] is not None else None
        if reshape is None or transpose is None or transpose.op_type != "Transpose" or transpose.inputs[0] is None:
            return None
        lines = constant(reshape.inputs[1])
        if reshape.op_type != "Reshape" or lines is None or lines.size != 4 or lines[2] != 1:
            return None
        nodes += [reshape, transpose]
        rows.append(transpose.inputs[0])
    return rows, nodes

"""Rewrite joined rows and the transposed convolution of stride 1 after them as a matrix product and Col2Im.

By definition, the transposed convolution of `_strided_output` multiplies the stacked phases of each pixel by a
matrix of all its taps. `Col2Im` then moves the products to their pixels and adds them. In ONNX Runtime the matrix
product can be computed in 8 bits, a transposed convolution cannot. The sums have full precision.
"""

import math

import numpy as np
import onnx_ir as ir

from ._output_rows import LAST, stacked_rows
from ._phases import read_layer, upsamples, why_unsupported
from ._rewrite import NodeRewrite, Writer, replace
from ._strided_output import spread_kernel


class ProductOutput(NodeRewrite):
    """Rewrite stacked rows and a ConvTranspose of stride 1 as MatMul and Col2Im."""

    op_type = "ConvTranspose"

    def check(self, node: ir.Node) -> str | None:
        if upsamples(node):
            return "its stride is not 1"
        return why_unsupported(node) or (None if stacked_rows(node.inputs[0]) else "its input is not stacked rows")

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        found, layer = stacked_rows(node.inputs[0]), read_layer(node)
        assert found is not None  # by `check`
        rows, strides, nodes = found
        area = math.prod(axis.size // stride for axis, stride in zip(layer.axes, strides, strict=True))
        kernel = spread_kernel(layer.weights, strides)
        write = Writer(graph, node)
        stacked = write("Concat", *(write("Transpose", row, perm=LAST) for row in rows), axis=3)
        pixels = write("Reshape", stacked, np.array([-1, area, len(kernel)]))
        products = write("MatMul", pixels, kernel.reshape(len(kernel), -1))
        image = write(
            "Col2Im",
            write("Transpose", products, perm=[0, 2, 1]),
            np.array([axis.output for axis in layer.axes]),
            np.array(kernel.shape[2:]),
            strides=strides,
            pads=list(node.attributes.get_ints("pads", [0, 0, 0, 0])),
        )
        replace(graph, node.outputs[0], write("Add", image, layer.bias.reshape(-1, 1, 1)), [node, *nodes])

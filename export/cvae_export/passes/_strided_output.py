"""Merge interleaved phases and the transposed convolution of stride 1 after them into one with a stride.

The interleaved map is u[s i + a] = x_a[i] for the phases a = 0 .. s-1 along an axis. A transposed convolution of
stride 1, y[j] = sum of u[k] w[t] over k + t - p = j, then is

    y[j] = sum over a, i, t with s i + (a + t) - p = j of x_a[i] w[t]:

a transposed convolution of stride s with the phases as channels and the same pads. Its kernel for phase a is w
shifted by a, and s - 1 taps longer. The products are the same, and the large map is never written. It is faster for
few output channels, such as those of an image.
"""

import itertools

import numpy as np
import onnx_ir as ir

from ._interleave import interleaved
from ._phases import read_layer, upsamples, why_unsupported
from ._rewrite import NodeRewrite, Writer, replace


class StridedOutput(NodeRewrite):
    """Rewrite interleaved phases and a ConvTranspose of stride 1 as one ConvTranspose of the phases as channels."""

    op_type = "ConvTranspose"

    def check(self, node: ir.Node) -> str | None:
        if upsamples(node):
            return "its stride is not 1"
        return why_unsupported(node) or (None if interleaved(node.inputs[0]) else "its input is not interleaved phases")

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        found, layer = interleaved(node.inputs[0]), read_layer(node)
        assert found is not None  # by `check`
        phases, strides, nodes = found
        kernel = spread_kernel(layer.weights, strides)
        write = Writer(graph, node)
        output = write(
            "ConvTranspose",
            write("Concat", *phases, axis=1),
            kernel,
            layer.bias,
            kernel_shape=list(kernel.shape[2:]),
            strides=strides,
            pads=list(node.attributes.get_ints("pads", [0, 0, 0, 0])),
        )
        replace(graph, node.outputs[0], output, [node, *nodes])


def spread_kernel(weights: np.ndarray, strides: list[int]) -> np.ndarray:
    """Spread a kernel (C, Cout, kh, kw) of stride 1 to (phases * C, Cout, kh + sh - 1, kw + sw - 1)."""
    (inputs, outputs, *kernel), (height, width) = weights.shape, strides
    spread = np.zeros((height, width, inputs, outputs, kernel[0] + height - 1, kernel[1] + width - 1), np.float32)
    for row, column in itertools.product(range(height), range(width)):
        spread[row, column, :, :, row : row + kernel[0], column : column + kernel[1]] = weights
    return spread.reshape(-1, *spread.shape[3:])

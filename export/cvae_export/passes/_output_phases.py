"""Transposed convolutions with a stride as convolutions, one for each phase of the output; see `_phases` for why.

A CPU's transposed convolution is a matrix product whose columns are then added up image by image. Convolutions of 2x2,
2x1, 1x2 and 1x1 taps, for a 3x3 kernel of stride 2, have the same nine products for four pixels and run in the blocked layout that
a CPU's convolutions are best at. Element-wise operators behind the layer move in front of the interleaving, where they fuse with
the convolutions.
"""

import itertools

import onnx_ir as ir

from ._interleave import crop, interleave
from ._phases import read, unfit, upsamples
from ._rewrite import NodeRewrite, Writer, elementwise_users, replace


class OutputPhases(NodeRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each phase of the output, interleaved by Col2Im."""

    op_type = "ConvTranspose"

    def check(self, node: ir.Node) -> str | None:
        return unfit(node) if upsamples(node) else "stride 1: there is one phase"

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        layer, write = read(node), Writer(graph, node)
        behind = list(elementwise_users(node.outputs[0]))
        phases = []
        for row, column in itertools.product(*(range(stride) for stride in layer.strides)):
            weights, bias, pads = layer.convolution([row], [column])
            phase = write("Conv", node.inputs[0], weights, bias, kernel_shape=list(weights.shape[2:]), pads=pads)
            for activation in behind:
                phase = write.copy(activation, phase)
            phases.append(phase)
        whole = interleave(write, phases, layer)
        last = [node, *behind][-1]
        replace(graph, last.outputs[0], crop(write, whole, layer), [*reversed(behind), node])

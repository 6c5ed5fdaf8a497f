"""Move an addition after a convolution into its bias.

In conv(x, w) + c, with one number c for each channel, c is the operator's bias. tf2onnx writes an Add if a layer
adds its bias in a separate step. Only the order of a sum changes.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._rewrite import NodeRewrite, Writer, constant, only_user, replace


class BiasIntoConvolution(NodeRewrite):
    """Rewrite Add of a constant after a Conv or ConvTranspose without bias as that layer's bias."""

    op_type = "Add"

    def check(self, node: ir.Node) -> str | None:
        layer = _layer(node)
        if layer is None:
            return "it does not follow a convolution without other users"
        if len(layer.inputs) > 2 and layer.inputs[2] is not None:
            return "the convolution already has a bias"
        return "it does not add a constant with one number for each channel" if _bias(node, layer) is None else None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        layer = _layer(node)
        assert layer is not None  # by `check`
        output = Writer(graph, node).copy(layer, *layer.inputs[:2], _bias(node, layer))
        replace(graph, node.outputs[0], output, [node, layer])


def _layer(node: ir.Node) -> ir.Node | None:
    layer = None if node.inputs[0] is None else node.inputs[0].producer()
    if layer is None or layer.op_type not in ("Conv", "ConvTranspose") or only_user(layer.outputs[0]) is not node:
        return None
    return layer


def _bias(node: ir.Node, layer: ir.Node) -> NDArray[np.generic] | None:
    """Return the numbers added to each channel, (C,); None for any other addition."""
    weights, added = constant(layer.inputs[1]), constant(node.inputs[1])
    if weights is None or added is None:
        return None
    groups = layer.attributes.get_int("group", 1)
    channels = weights.shape[0] if layer.op_type == "Conv" else weights.shape[1] * groups
    one = (1, channels, *(1 for _ in weights.shape[2:]))
    fits = added.ndim <= len(one) and np.broadcast_shapes(added.shape, one) == one
    return np.broadcast_to(added, one).ravel() if fits else None

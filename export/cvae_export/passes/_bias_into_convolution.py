"""An addition behind a convolution as its bias.

conv(x, w) + c with one number c for each channel is what the operator's third input is for; tf2onnx writes an Add where a layer adds its
bias by itself. Only the order of a sum changes.
"""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, constant, only_user, replace


class BiasIntoConvolution(NodeRewrite):
    """Rewrite Add of a constant behind a Conv or ConvTranspose without bias as that layer's bias."""

    op_type = "Add"

    def check(self, node: ir.Node) -> str | None:
        layer = node.inputs[0].producer() if node.inputs[0] is not None else None
        added = constant(node.inputs[1])
        if layer is None or layer.op_type not in ("Conv", "ConvTranspose") or only_user(layer.outputs[0]) is not node:
            return "not behind a convolution that is for it alone"
        if added is None or (added.size > 1 and (added.ndim < 3 or added.shape[-3] != added.size)):
            return "what is added is no constant of one number for each channel"
        return "the convolution has a bias" if len(layer.inputs) > 2 and layer.inputs[2] is not None else None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        assert node.inputs[0] is not None
        layer = node.inputs[0].producer()
        assert layer is not None
        weights, added = np.asarray(constant(layer.inputs[1])), np.asarray(constant(node.inputs[1]))
        groups = layer.attributes.get_int("group", 1)
        channels = weights.shape[0] if layer.op_type == "Conv" else weights.shape[1] * groups
        bias = np.broadcast_to(added.ravel(), channels)
        attributes = {name: attribute.value for name, attribute in layer.attributes.items()}
        write = Writer(graph, node)
        replace(
            graph, node.outputs[0], write(layer.op_type, layer.inputs[0], weights, bias, **attributes), [node, layer]
        )

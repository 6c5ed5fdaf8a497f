"""Give transposed convolutions equal pads on both sides, for runtimes that support no others.

TensorFlow's "same" padding at stride 2 crops a row and a column only at the end: pads (0, 0, 1, 1). Small runtimes
such as OpenCV's dnn reject it. A transposed convolution computes a full map and crops it. Along an axis,

    output = full[begin : size(full) - end]
    size(full) = stride * (n - 1) + dilation * (kernel - 1) + 1 + output_padding

So with c = min(begin, end) it equals the layer with pads (c, c), then a Slice that crops begin - c values
at the beginning and end - c at the end. Only the cropping moves; all products and sums stay the same.
"""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, replace

_TO_THE_END = np.iinfo(np.int64).max
_PADS_UNKNOWN = "its pads are given by auto_pad or output_shape"


class SymmetricPads(NodeRewrite):
    """Rewrite ConvTranspose with different pads at begin and end as ConvTranspose with equal pads, and a Slice."""

    op_type = "ConvTranspose"

    def check(self, node: ir.Node) -> str | None:
        if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes:
            return _PADS_UNKNOWN
        begin, end = _pads(node)
        return "its pads are symmetric" if begin == end else None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        begin, end = _pads(node)
        common = [min(pair) for pair in zip(begin, end, strict=True)]
        starts = [b - c for b, c in zip(begin, common, strict=True)]
        ends = [c - e if e > c else _TO_THE_END for e, c in zip(end, common, strict=True)]
        axes = [axis + 2 for axis in range(len(begin))]  # axes 0 and 1 are batch and channels
        write = Writer(graph, node)
        full = write.copy(node, pads=[*common, *common])
        replace(graph, node.outputs[0], write("Slice", full, *map(np.array, (starts, ends, axes))), [node])

    def ensures(self, model: ir.Model) -> None:
        layers = [node for node in model.graph if node.op_type == self.op_type and node.domain == ""]
        if left := [node.name for node in layers if self.check(node) in (None, _PADS_UNKNOWN)]:
            raise ir.passes.PostconditionError(f"pads may still differ between begin and end: {left}")


def _pads(node: ir.Node) -> tuple[list[int], list[int]]:
    pads = list(node.attributes.get_ints("pads", []))
    return pads[: len(pads) // 2], pads[len(pads) // 2 :]

"""Transposed convolutions with the same padding on both sides, for runtimes that know no other.

TensorFlow's "same" padding at stride 2 takes a row and a column away at the end alone: pads (0, 0, 1, 1). Small
runtimes refuse that (OpenCV's dnn does). A transposed convolution computes a full map and crops it: along an axis,

    output = full[begin : size(full) - end],    size(full) = stride * (n - 1) + dilation * (kernel - 1) + 1 + output_padding

so with c = min(begin, end) it equals the one with pads (c, c), cropped by a Slice from begin - c to the (end - c)th
element from the end. Only cropping moves; every product and sum stays.
"""

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, replace

_TO_THE_END = np.iinfo(np.int64).max
_PADS_UNKNOWN = "its pads are given by auto_pad or output_shape"


class SymmetricPads(NodeRewrite):
    """Rewrite ConvTranspose with pads that differ between begin and end as one with equal pads, and a Slice."""

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
        axes = [axis + 2 for axis in range(len(begin))]  # after batch and channels
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

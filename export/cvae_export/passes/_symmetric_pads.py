"""Transposed convolutions with the same padding on both sides, for runtimes that know no other.

TensorFlow's "same" padding at stride 2 takes a row and a column away at the end alone: pads (0, 0, 1, 1). Small
runtimes refuse that (OpenCV's dnn does). A transposed convolution computes a full map and crops it: along an axis,

    output = full[begin : size(full) - end],    size(full) = stride * (n - 1) + dilation * (kernel - 1) + 1 + output_padding

so with c = min(begin, end) it equals the one with pads (c, c), cropped by a Slice from begin - c to the (end - c)th
element from the end. Only cropping moves; every product and sum stays.
"""

import numpy as np
import onnx_ir as ir

_TO_THE_END = np.iinfo(np.int64).max


class SymmetricPads(ir.passes.InPlacePass):
    """Rewrite ConvTranspose with pads that differ between begin and end as one with equal pads, and a Slice."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        nodes = [node for node in model.graph if _check(node) is None]
        for node in nodes:
            _rewrite(model.graph, node)
        return ir.passes.PassResult(model, modified=bool(nodes))

    def ensures(self, model: ir.Model) -> None:
        left = [node.name for node in model.graph if _check(node) in (None, _PADS_UNKNOWN)]
        if left:
            raise ir.passes.PostconditionError(f"pads may still differ between begin and end: {left}")


_PADS_UNKNOWN = "pads are given by auto_pad or output_shape"


def _check(node: ir.Node) -> str | None:
    """Why the rewrite does not apply to a node, or None if it does."""
    if node.op_type != "ConvTranspose" or node.domain != "":
        return "not a ConvTranspose"
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes:
        return _PADS_UNKNOWN
    begin, end = _pads(node)
    return "pads are symmetric" if begin == end else None


def _pads(node: ir.Node) -> tuple[list[int], list[int]]:
    pads = list(node.attributes.get_ints("pads", []))
    return pads[: len(pads) // 2], pads[len(pads) // 2 :]


def _rewrite(graph: ir.Graph, node: ir.Node) -> None:
    begin, end = _pads(node)
    common = [min(pair) for pair in zip(begin, end, strict=True)]
    node.attributes["pads"] = ir.AttrInt64s("pads", common + common)
    starts = [b - c for b, c in zip(begin, common, strict=True)]
    ends = [c - e if e > c else _TO_THE_END for e, c in zip(end, common, strict=True)]
    axes = [axis + 2 for axis in range(len(begin))]  # after batch and channels

    output = node.outputs[0]
    full = ir.Value(name=f"{output.name}_full", type=output.type)
    inputs = [
        _constant(graph, f"{output.name}_{name}", values)
        for name, values in (("starts", starts), ("ends", ends), ("axes", axes))
    ]
    crop = ir.node("Slice", [full, *inputs], outputs=[ir.Value(name=output.name, type=output.type, shape=output.shape)])
    is_graph_output = output in graph.outputs
    ir.convenience.replace_all_uses_with(output, crop.outputs[0], replace_graph_outputs=is_graph_output)
    output.name, output.shape = full.name, None
    crop.replace_input_with(0, output)
    graph.insert_after(node, crop)


def _constant(graph: ir.Graph, name: str, values: list[int]) -> ir.Value:
    value = ir.Value(name=name, const_value=ir.tensor(np.array(values, np.int64), name=name))
    value.shape, value.type = ir.Shape([len(values)]), ir.TensorType(ir.DataType.INT64)
    graph.register_initializer(value)
    return value

"""Phases put together to one map, by the standard operator that does it fastest on a CPU.

Of the operators that interleave four maps, for the default model's largest layer, `Col2Im` with blocks that do not overlap was the
fastest in the layout that convolutions have: 13 us an image on one core of a Zen 4, where DepthToSpace took 95, a transpose of six axes 181 and
a gather 201. It wants channel and phase as one axis in this order, which is how phases are concatenated.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ._phases import Transposed
from ._rewrite import Writer, constant, only_user


def interleave(write: Writer, phases: Sequence[ir.Value], layer: Transposed) -> ir.Value:
    """Phases (N, C, h, w), row by row, as (N, C, sh * h, sw * w)."""
    height, width = (axis.phase_size for axis in layer.axes)
    channels, area = layer.channels, height * width
    columns = [write("Reshape", phase, np.array([-1, channels, 1, area])) for phase in phases]
    stacked = write("Concat", *columns, axis=2)
    flat = write("Reshape", stacked, np.array([-1, channels * len(phases), area]))
    strides = layer.strides
    shape = np.array([strides[0] * height, strides[1] * width])
    return write("Col2Im", flat, shape, np.array(strides), strides=list(strides))


def crop(write: Writer, whole: ir.Value, layer: Transposed) -> ir.Value:
    """The map without what overhangs where the output is no multiple of the stride."""
    ends = [axis.output for axis in layer.axes]
    if ends == [axis.stride * axis.phase_size for axis in layer.axes]:
        return whole
    return write("Slice", whole, np.array([0, 0]), np.array(ends), np.array([2, 3]))


def interleaved(value: ir.Value | None) -> tuple[list[ir.Value], list[ir.Node]] | None:
    """The phases that `interleave` made a value of, and its nodes, last first; None if it is of another kind."""
    nodes = []
    for op_type in ("Col2Im", "Reshape", "Concat"):
        node = None if value is None else value.producer()
        if node is None or node.op_type != op_type or only_user(node.outputs[0]) is None:
            return None
        nodes.append(node)
        value = node.inputs[0]
    block, strides = constant(nodes[0].inputs[2]), nodes[0].attributes.get_ints("strides", [1, 1])
    stacked = nodes[2]
    if block is None or list(block) != list(strides) or stacked.attributes.get_int("axis", 0) != 2:
        return None
    reshapes = [part.producer() for part in stacked.inputs if part is not None]
    phases = [node.inputs[0] for node in reshapes if node is not None and node.op_type == "Reshape"]
    if len(phases) != math.prod(strides):
        return None
    return [phase for phase in phases if phase is not None], [*nodes, *(node for node in reshapes if node is not None)]

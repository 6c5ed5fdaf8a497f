"""Transposed convolutions with a stride as one convolution for each row phase, for arithmetic in 8 bits.

As `_output_phases`, but the column phases of a row are the channels of one convolution, whose kernel covers the columns that
any of them needs. For a 3x3 kernel of stride 2 that is 12 products where 9 are needed; in exchange the map is put together by one
concatenation of whole rows in the layout with channels last, which ONNX Runtime's 8-bit convolutions have anyway: the Transposes
that are written here cancel with those that it puts round its convolutions. Nothing leaves 8 bits on the way to the next layer.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ._phases import PhaseRewrite, Transposed
from ._rewrite import Writer, chain, sizes

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # to channels last, and back


class OutputRows(PhaseRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each row phase, their rows concatenated in turn."""

    def groups(self, layer: Transposed) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        rows, columns = (range(stride) for stride in layer.strides)
        return [([row], columns) for row in rows]

    def join(self, write: Writer, parts: Sequence[ir.Value], layer: Transposed) -> ir.Value:
        """Of row phases (N, sw * C, h, w)."""
        height, width = (axis.phase_size for axis in layer.axes)
        (row_stride, column_stride), channels = layer.strides, layer.channels
        shape = np.array([-1, height, 1, width * column_stride * channels])
        lines = [write("Reshape", write("Transpose", part, perm=LAST), shape) for part in parts]
        whole = np.array([-1, row_stride * height, column_stride * width, channels])
        return write("Transpose", write("Reshape", write("Concat", *lines, axis=2), whole), perm=FIRST)


def stacked_rows(value: ir.Value | None) -> tuple[list[ir.Value], list[int], list[ir.Node]] | None:
    """How `OutputRows` made a value: row phases, strides, and nodes, last first; None if it did not, or if anything else uses a part."""
    nodes = chain(value, "Transpose", "Reshape", "Concat")
    lines = [] if nodes is None else [chain(part, "Reshape", "Transpose") for part in nodes[2].inputs]
    found = [line for line in lines if line is not None]
    rows = [transpose.inputs[0] for _, transpose in found if transpose.inputs[0] is not None]
    shapes = [sizes(row) for row in rows]
    if nodes is None or not shapes or shapes[0] is None or len(shapes[0]) != 3 or shapes != [shapes[0]] * len(lines):
        return None
    first, image, stacked = nodes
    all_channels, height, width = shapes[0]
    *_, channels = sizes(image.outputs[0]) or [0]
    strides = [len(rows), all_channels // (channels or all_channels)]
    as_written = (
        sizes(stacked.outputs[0]) == [height, len(rows), width * all_channels]
        and sizes(image.outputs[0]) == [height * strides[0], width * strides[1], channels]
        and list(first.attributes.get_ints("perm", [])) == FIRST
        and all(list(last.attributes.get_ints("perm", [])) == LAST for _, last in found)
    )
    return (rows, strides, [*nodes, *itertools.chain(*found)]) if as_written else None

"""Rewrite a transposed convolution with a stride as one convolution for each row phase, for arithmetic in 8 bits.

Unlike in `_output_phases`, the column phases of a row are the channels of one convolution. Its kernel covers the
columns that any phase needs: 12 products instead of 9 for a 3x3 kernel of stride 2. In exchange, one concatenation
of whole rows joins the map. It uses the layout with channels last, which ONNX Runtime's 8-bit convolutions use too:
the Transposes written here cancel with the Transposes around its convolutions. All values stay in 8 bits up to the
next layer.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ._phases import PhaseRewrite, TransposedConvolution
from ._rewrite import Writer, chain, sizes

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # to channels last, and back


class OutputRows(PhaseRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each row phase, their rows concatenated in turn."""

    def groups(self, layer: TransposedConvolution) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        rows, columns = (range(stride) for stride in layer.strides)
        return [([row], columns) for row in rows]

    def join(self, write: Writer, parts: Sequence[ir.Value], layer: TransposedConvolution) -> ir.Value:
        """Join row phases (N, sw * C, h, w)."""
        height, width = (axis.phase_size for axis in layer.axes)
        (row_stride, column_stride), channels = layer.strides, layer.channels
        shape = np.array([-1, height, 1, width * column_stride * channels])
        lines = [write("Reshape", write("Transpose", part, perm=LAST), shape) for part in parts]
        whole = np.array([-1, row_stride * height, column_stride * width, channels])
        return write("Transpose", write("Reshape", write("Concat", *lines, axis=2), whole), perm=FIRST)


def stacked_rows(value: ir.Value | None) -> tuple[list[ir.Value], list[int], list[ir.Node]] | None:
    """Return row phases, strides and nodes, last first, of a value of `OutputRows`; None for others or shared ones."""
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

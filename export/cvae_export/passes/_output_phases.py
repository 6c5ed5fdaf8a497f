"""Rewrite a transposed convolution with a stride as one convolution for each phase of the output; see `_phases`.

On a CPU, a transposed convolution is a matrix product whose columns are then added up image by image. For a 3x3
kernel of stride 2, convolutions of 2x2, 2x1, 1x2 and 1x1 taps compute the same nine products for four pixels. They
run in the blocked layout in which a CPU's convolutions are fastest.
"""

import itertools
from collections.abc import Sequence

import onnx_ir as ir

from ._interleave import interleave
from ._phases import PhaseRewrite, TransposedConvolution
from ._rewrite import Writer


class OutputPhases(PhaseRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each phase of the output, interleaved by Col2Im."""

    def groups(self, layer: TransposedConvolution) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        rows, columns = (range(stride) for stride in layer.strides)
        return [([row], [column]) for row, column in itertools.product(rows, columns)]

    def join(self, write: Writer, parts: Sequence[ir.Value], layer: TransposedConvolution) -> ir.Value:
        return interleave(write, parts, layer)

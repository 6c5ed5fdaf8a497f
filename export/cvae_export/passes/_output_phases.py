"""Transposed convolutions with a stride as convolutions, one for each phase of the output; see `_phases` for why.

A CPU's transposed convolution is a matrix product whose columns are then added up image by image. Convolutions of 2x2,
2x1, 1x2 and 1x1 taps, for a 3x3 kernel of stride 2, have the same nine products for four pixels and run in the blocked layout that
a CPU's convolutions are best at.
"""

import itertools
from collections.abc import Sequence

import onnx_ir as ir

from ._interleave import interleave
from ._phases import PhaseRewrite, Transposed
from ._rewrite import Writer


class OutputPhases(PhaseRewrite):
    """Rewrite ConvTranspose with a stride as a Conv for each phase of the output, interleaved by Col2Im."""

    def groups(self, layer: Transposed) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        rows, columns = (range(stride) for stride in layer.strides)
        return [([row], [column]) for row, column in itertools.product(rows, columns)]

    def join(self, write: Writer, parts: Sequence[ir.Value], layer: Transposed) -> ir.Value:
        return interleave(write, parts, layer)

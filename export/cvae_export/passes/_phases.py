"""Split a transposed convolution into ordinary convolutions, one for each phase of its output.

A phase consists of the outputs whose indices have the same remainder modulo the stride. Along one axis, a transposed
convolution of stride s with pads (p, p') maps n values x to o values y,

    y[j] = sum of x[i] w[t] over all i, t with s i + t - p = j.

Let r = (a + p) mod s and q = (a + p) div s. Then the outputs j = s m + a of phase a use only the taps t = r + s u, and
the inputs i = m + q - u. So the phase is an ordinary convolution of x with every s-th tap, in reverse order
(Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009). Each tap belongs to one
phase, so no zeros between the inputs are multiplied. All phases are computed to the same length,
m = 0 .. ceil(o / s) - 1, and the excess is cropped.
"""

import abc
import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._rewrite import NodeRewrite, Writer, constant, elementwise_users, replace, sizes


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of a transposed convolution.

    Attributes:
        size: size of the input.
        kernel: size of the kernel.
        stride: the stride.
        begin: the pad at the beginning, p.
        output: size of the output.
    """

    size: int
    kernel: int
    stride: int
    begin: int
    output: int

    @property
    def phase_size(self) -> int:
        """Number of values of each phase."""
        return -(-self.output // self.stride)

    def taps(self, phase: int) -> dict[int, int]:
        """Return the taps of a phase by offset: its output m sums x[m + offset] w[tap]."""
        q, r = divmod(phase + self.begin, self.stride)
        return {q - u: r + self.stride * u for u in range(-(-(self.kernel - r) // self.stride))}

    def window(self, phases: Sequence[int]) -> tuple[range, int, int]:
        """Return the offsets that one convolution needs for all these phases, and its pads, which are not negative."""
        offsets = [offset for phase in phases for offset in self.taps(phase)]
        low = min([0, *offsets])
        high = max([low, self.size - self.phase_size, *offsets])
        return range(low, high + 1), -low, self.phase_size + high - self.size


@dataclasses.dataclass(frozen=True)
class TransposedConvolution:
    """Weights and sizes of a transposed convolution.

    Attributes:
        weights: float32 (Cin, Cout, kh, kw).
        bias: float32 (Cout,).
        axes: the vertical and the horizontal axis.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    axes: tuple[Axis, Axis]

    @property
    def strides(self) -> tuple[int, int]:
        return self.axes[0].stride, self.axes[1].stride

    @property
    def channels(self) -> int:
        return self.weights.shape[1]

    def convolution(
        self, rows: Sequence[int], columns: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
        """Return weights, bias and pads of one convolution that computes several phases.

        Args:
            rows, columns: phases along each axis. Every pair of them is a block of ``channels`` output channels.
        """
        (row_window, *row_pads), (column_window, *column_pads) = (
            axis.window(phases) for axis, phases in zip(self.axes, (rows, columns), strict=True)
        )
        inputs, outputs = self.weights.shape[:2]
        blocks = []
        for row, column in itertools.product(rows, columns):
            block = np.zeros((outputs, inputs, len(row_window), len(column_window)), np.float32)
            for (i, t), (j, v) in itertools.product(self.axes[0].taps(row).items(), self.axes[1].taps(column).items()):
                block[:, :, i - row_window.start, j - column_window.start] = self.weights[:, :, t, v].T
            blocks.append(block)
        pads = [row_pads[0], column_pads[0], row_pads[1], column_pads[1]]
        return np.concatenate(blocks), np.tile(self.bias, len(blocks)), pads


class PhaseRewrite(NodeRewrite):
    """Rewrite ConvTranspose with a stride as convolutions, each for some phases, and nodes that join their outputs.

    Element-wise operators behind the layer move in front of the join, so that runtimes can fuse them with the
    convolutions.
    """

    op_type = "ConvTranspose"

    @abc.abstractmethod
    def groups(self, layer: TransposedConvolution) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        """Return, for each convolution, its phases along rows and along columns."""

    @abc.abstractmethod
    def join(self, write: Writer, parts: Sequence[ir.Value], layer: TransposedConvolution) -> ir.Value:
        """Join the outputs of the convolutions, of phases (h, w), into one map (N, C, sh * h, sw * w)."""

    def check(self, node: ir.Node) -> str | None:
        return why_unsupported(node) if upsamples(node) else "stride 1: there is one phase"

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        layer, write = read_layer(node), Writer(graph, node)
        behind = list(elementwise_users(node.outputs[0]))
        parts = []
        for rows, columns in self.groups(layer):
            weights, bias, pads = layer.convolution(rows, columns)
            part = write("Conv", node.inputs[0], weights, bias, kernel_shape=list(weights.shape[2:]), pads=pads)
            for activation in behind:
                part = write.copy(activation, part)
            parts.append(part)
        whole = self.join(write, parts, layer)
        ends = [axis.output for axis in layer.axes]
        if ends != [axis.stride * axis.phase_size for axis in layer.axes]:  # no multiples of the strides
            whole = write("Slice", whole, np.array([0, 0]), np.array(ends), np.array([2, 3]))
        last = [node, *behind][-1]
        replace(graph, last.outputs[0], whole, [*reversed(behind), node])


def why_unsupported(node: ir.Node) -> str | None:
    """Return why the rewrites do not support a ConvTranspose; None if they do."""
    weights, attributes = constant(node.inputs[1]), node.attributes
    if weights is None or weights.ndim != 4 or weights.dtype != np.float32:
        return "its weights are not a float32 constant with two spatial axes"
    if len(node.inputs) > 2 and node.inputs[2] is not None and constant(node.inputs[2]) is None:
        return "its bias is computed"
    if attributes.get_int("group", 1) != 1:
        return "it has groups"
    if set(attributes.get_ints("dilations", [1])) != {1}:
        return "it is dilated"
    if attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in attributes:
        return "its pads are given by auto_pad or output_shape"
    if node.inputs[0] is None or sizes(node.inputs[0]) is None:
        return "the size of its input is unknown"
    return None


def read_layer(node: ir.Node) -> TransposedConvolution:
    """Read a ConvTranspose for which `why_unsupported` returned None."""
    weights, bias = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    size = sizes(node.inputs[0]) if node.inputs[0] is not None else None
    assert weights is not None and size is not None  # noqa: PT018  # by `why_unsupported`
    strides = node.attributes.get_ints("strides", [1, 1])
    pads = node.attributes.get_ints("pads", [0, 0, 0, 0])
    extra = node.attributes.get_ints("output_padding", [0, 0])
    axes = [
        Axis(n, k, s, begin, s * (n - 1) + k + more - begin - end)
        for n, k, s, begin, end, more in zip(
            size[1:], weights.shape[2:], strides, pads[:2], pads[2:], extra, strict=True
        )
    ]
    bias = np.zeros(weights.shape[1], np.float32) if bias is None else bias
    return TransposedConvolution(np.asarray(weights), np.asarray(bias), (axes[0], axes[1]))


def upsamples(node: ir.Node) -> bool:
    """Whether a ConvTranspose has more than one phase."""
    return math.prod(node.attributes.get_ints("strides", [1])) > 1

"""Quantize a graph's heavy layers to 8 bits with QuantizeLinear and DequantizeLinear nodes around them.

ONNX Runtime fuses them into integer arithmetic. Activations are unsigned with one scale and zero point. Weights are
signed and symmetric with a scale for each output channel. The integer dot products of x86 (VNNI) multiply these
types directly. If nodes only move a layer's input (Reshape, Transpose, Concat), rounding comes before them, so that
they move bytes. Sums have 32 bits; the sums of a last matrix product are returned in float32.

A first dense layer, which takes the graph's float32 input, computes in float32: rounding latents would cost more
nats than 8 bits save time. Its weights are still stored in 8 bits.

Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
2018.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .passes import Writer, constant

MOVING = {"Concat", "Reshape", "Transpose"}

# Axes of output and input channels in the weights of an operator.
_WEIGHTS = {"Conv": (0, 1), "Gemm": (1, 0), "MatMul": (1, 0)}
_MULTIPLE = 4  # of input channels; ONNX Runtime's 8-bit kernels are slow with fewer
_BIAS_LIMIT = 2.0**30  # of integer biases, so that bias and products fit in 32 bits


@dataclasses.dataclass(frozen=True)
class Range:
    """Range of an activation's values; values outside are clipped."""

    low: float
    high: float

    @property
    def scale(self) -> np.float32:
        """The difference between neighboring values."""
        return np.float32((max(self.high, 0.0) - min(self.low, 0.0)) / 255.0) or np.float32(1.0)

    @property
    def zero_point(self) -> np.uint8:
        """The integer of 0, which is always exact, since convolutions pad with it."""
        return np.uint8(np.clip(np.rint(-min(self.low, 0.0) / self.scale), 0, 255))


def is_heavy(node: ir.Node) -> bool:
    """Whether a node is a layer to compute in 8 bits."""
    weights = _weights(node)
    if weights is None or weights.shape[_WEIGHTS[node.op_type][1]] % _MULTIPLE or _comes_from_input(node.inputs[0]):
        return False
    return len(node.inputs) < 3 or node.inputs[2] is None or constant(node.inputs[2]) is not None


def sources(node: ir.Node) -> list[ir.Value]:
    """Return the values that a heavy layer's input consists of, before nodes that only move values."""
    found, waiting = [], [node.inputs[0]]
    while waiting:
        value = waiting.pop()
        assert value is not None
        producer = value.producer()
        if producer is not None and _carries(producer):
            waiting += _moved(producer)
        else:
            found.append(value)
    return found


def quantize(model: ir.Model, ranges: Mapping[str, Range]) -> None:
    """Quantize the heavy layers of a graph to 8 bits, in place.

    Args:
        model: the float32 graph.
        ranges: the input range of every heavy layer, by the layer's name.
    """
    for node in list(model.graph):
        if node.op_type != "Conv" and _weights(node) is not None and _comes_from_input(node.inputs[0]):
            _store_in_8_bits(model.graph, node)
    layers = [node for node in model.graph if is_heavy(node)]
    # Collected before any change, since layers may share values.
    for source, values in {source: ranges[str(node.name)] for node in layers for source in sources(node)}.items():
        _round(model.graph, source, values)
    for node in layers:
        _compute_in_8_bits(model.graph, node, ranges[str(node.name)])


def _weights(node: ir.Node) -> NDArray[np.generic] | None:
    """Return the constant weights of a layer, with the axes of `_WEIGHTS`; None for other nodes."""
    weights = constant(node.inputs[1]) if node.op_type in _WEIGHTS else None
    if weights is None or (node.op_type != "Conv" and weights.ndim != 2):
        return None
    plain = {"transA": 0, "transB": 0, "alpha": 1.0, "beta": 1.0}
    changed = node.op_type == "Gemm" and any(plain.get(name) != a.value for name, a in node.attributes.items())
    return None if changed else weights


def _moved(node: ir.Node) -> Sequence[ir.Value | None]:
    """Return the inputs that a node moves."""
    return node.inputs if node.op_type == "Concat" else node.inputs[:1]


def _carries(node: ir.Node) -> bool:
    """Whether a node only moves computed values, and only heavy layers use them."""
    return (
        node.op_type in MOVING
        and all(value is not None and value.producer() is not None for value in _moved(node))
        and not node.outputs[0].is_graph_output()
        and all(is_heavy(use.node) or _carries(use.node) for use in node.outputs[0].uses())
    )


def _comes_from_input(value: ir.Value | None) -> bool:
    """Whether a value is the graph's input, possibly moved."""
    if value is None or value.is_graph_input():
        return value is not None
    producer = value.producer()
    return producer is not None and producer.op_type in MOVING and any(map(_comes_from_input, _moved(producer)))


def _round_weights(
    weights: NDArray[np.float32], axis: int, least: float | NDArray[np.float32] = 0.0
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 weights and the scale of each channel, at least ``least``."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    scale = np.maximum(np.abs(weights).max(axis=others) / 127.0, least).astype(np.float32)
    scale[scale == 0.0] = 1.0
    shape = [1] * weights.ndim
    shape[axis] = -1
    return np.rint(weights / scale.reshape(shape)).astype(np.int8), scale


def _store_in_8_bits(graph: ir.Graph, node: ir.Node) -> None:
    weights, scale = _round_weights(np.asarray(constant(node.inputs[1])), 1)
    # Runtimes fold this Cast and Mul when they load the graph.
    write = Writer.before(graph, node)
    node.replace_input_with(1, write("Mul", write("Cast", weights, to=ir.DataType.FLOAT), scale))


def _round(graph: ir.Graph, source: ir.Value, values: Range) -> None:
    """Round a value to bytes for heavy layers, and for nodes that move it to them."""
    users = [use for use in source.uses() if is_heavy(use.node) or _carries(use.node)]
    producer = source.producer()
    assert producer is not None
    scale, zero_point = np.array(values.scale), np.array(values.zero_point)
    rounded = Writer(graph, producer)("QuantizeLinear", source, scale, zero_point)
    for use in users:
        use.node.replace_input_with(use.idx, rounded)
        if use.node.op_type in MOVING:
            _become_bytes(use.node.outputs[0])


def _compute_in_8_bits(graph: ir.Graph, node: ir.Node, values: Range) -> None:
    """Replace a layer's input, weights and bias by DequantizeLinear nodes of integers."""
    write = Writer.before(graph, node)
    scale, zero_point = np.array(values.scale), np.array(values.zero_point)
    node.replace_input_with(0, write("DequantizeLinear", node.inputs[0], scale, zero_point))
    axis, _ = _WEIGHTS[node.op_type]
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    least = 0.0 if bias is None else np.abs(bias) / (values.scale * _BIAS_LIMIT)
    weights, scales = _round_weights(np.asarray(constant(node.inputs[1])), axis, least)
    zeros = np.zeros(len(scales), np.int8)
    node.replace_input_with(1, write("DequantizeLinear", weights, scales, zeros, axis=axis))
    if bias is not None:
        unit = (values.scale * scales).astype(np.float32)
        integers = np.rint(bias / unit).astype(np.int32)
        node.replace_input_with(2, write("DequantizeLinear", integers, unit, np.zeros(len(unit), np.int32), axis=0))


def _become_bytes(value: ir.Value) -> None:
    """Set the type of a value, and of its moved copies, to uint8."""
    value.type = ir.TensorType(ir.DataType.UINT8)
    for use in value.uses():
        if use.node.op_type in MOVING:
            _become_bytes(use.node.outputs[0])

"""Channels of a graph's activations brought to like sizes, before they are rounded to 8 bits on one scale.

Between two layers with a positively homogeneous function f between them, f(s x) = s f(x) for s > 0, a channel can be divided by any s in
the first layer's weights and multiplied by it in the second's: the graph computes the same (Nagel et al., "Data-free quantization through weight
equalization and bias correction", 2019). With s = sqrt(largest activation / largest weight that takes it), the difficulty is shared evenly between
the activations' scale and the weights' (Xiao et al., "SmoothQuant", 2023).
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._calibrate import activations
from ._reference import Arrays
from .passes import constant, only_user, sizes

_HOMOGENEOUS = {"LeakyRelu", "Relu"}
_PERCENTILE = 99.9  # of a channel's values; the largest would let single ones decide


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Two layers and what lies between.

    Attributes:
        first, bias: the layer whose outputs are scaled, and the Add of its bias if that is a node of its own.
        activation: the value between.
        second: the layer that takes it.
        channels: of the activation.
    """

    first: ir.Node
    bias: ir.Node | None
    activation: ir.Value
    second: ir.Node
    channels: int


def equalize(model: ir.Model, inputs: Arrays) -> None:
    """Equalize every pair of layers of a graph in place, by the activations that these inputs give."""
    pairs = list(_pairs(model))
    if not pairs:
        return
    found = activations(model, [str(pair.activation.name) for pair in pairs], inputs)
    for pair in pairs:
        values = np.abs(found[str(pair.activation.name)])
        by_channel = values.reshape(len(values), pair.channels, -1).swapaxes(0, 1).reshape(pair.channels, -1)
        _scale(pair, np.percentile(by_channel, _PERCENTILE, axis=1))


def _pairs(model: ir.Model) -> Iterator[_Pair]:
    for node in model.graph:
        if node.op_type not in _HOMOGENEOUS or node.inputs[0] is None:
            continue
        before, bias = node.inputs[0].producer(), None
        if before is not None and before.op_type == "Add" and constant(before.inputs[1]) is not None:
            bias, before = before, before.inputs[0].producer() if before.inputs[0] is not None else None
        after = only_user(node.outputs[0])
        shape = sizes(node.outputs[0])
        if after is not None and after.op_type == "Reshape":
            # Units become an image with its channels first, or the other way round.
            shape = sizes(after.outputs[0]) if shape is not None and len(shape) == 1 else shape
            after = only_user(after.outputs[0])
        if before is None or after is None or shape is None or only_user(before.outputs[0]) is None:
            continue
        if all(layer.op_type in _AXES and constant(layer.inputs[1]) is not None for layer in (before, after)):
            if before.op_type != "MatMul" and bias is not None:
                continue
            yield _Pair(before, bias, node.outputs[0], after, shape[0])


# The axes of outputs and inputs in the weights of a layer.
_AXES = {"Conv": (0, 1), "ConvTranspose": (1, 0), "MatMul": (1, 0)}


def _scale(pair: _Pair, sizes_of_channels: NDArray[np.float64]) -> None:
    output_axis, input_axis = _AXES[pair.first.op_type][0], _AXES[pair.second.op_type][1]
    weights = _along(pair.second.inputs[1], input_axis)
    largest = np.abs(weights).reshape(pair.channels, -1).max(axis=1)
    usable = (sizes_of_channels > 0.0) & (largest > 0.0)  # a channel that is never on has nothing to share
    scale = np.where(usable, np.sqrt(np.where(usable, sizes_of_channels, 1.0) / np.where(usable, largest, 1.0)), 1.0)
    _multiply(pair.first.inputs[1], output_axis, 1.0 / scale)
    for value in (pair.bias.inputs[1] if pair.bias else None, *pair.first.inputs[2:]):
        if value is not None:
            _multiply(value, 0, 1.0 / scale)
    _multiply(pair.second.inputs[1], input_axis, scale)


def _along(value: ir.Value | None, axis: int) -> NDArray[np.float32]:
    return np.moveaxis(np.asarray(constant(value)), axis, 0)


def _multiply(value: ir.Value | None, axis: int, factors: NDArray[np.float64]) -> None:
    """Multiply a constant along an axis; a factor counts for all units of its channel."""
    assert value is not None
    array = np.asarray(constant(value))
    each = np.repeat(factors, array.shape[axis] // len(factors))
    shape = [1] * array.ndim
    shape[axis] = -1
    value.const_value = ir.tensor((array * each.reshape(shape)).astype(np.float32), name=value.name)

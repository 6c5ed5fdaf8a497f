"""Equalize the channels of a graph's activations, before they are rounded to 8 bits on one scale.

Take two layers with a positively homogeneous function f between them: f(s x) = s f(x) for s > 0. Dividing a channel
by s in the first layer's weights and multiplying it by s in the second's does not change the output (Nagel et al.,
"Data-free quantization through weight equalization and bias correction", 2019). With s = sqrt(largest activation /
largest weight that takes it), activations and weights share the range evenly (Xiao et al., "SmoothQuant", 2023).
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ._calibrate import run_for
from ._reference import Arrays
from .passes import Writer, constant, only_user, sizes

_HOMOGENEOUS = {"LeakyRelu", "Relu"}
_PERCENTILE = 99.9  # of a channel's values; the maximum would depend on outliers

# The axes of output and input channels in a layer's weights.
_AXES = {"Conv": (0, 1), "ConvTranspose": (1, 0), "MatMul": (1, 0)}


@dataclasses.dataclass(frozen=True)
class _LayerPair:
    """Two layers and the activation between them.

    Attributes:
        first: the layer whose outputs are scaled.
        bias: the node that adds its bias and the index of that input; None without a bias.
        activation: the value between the layers.
        second: the layer that takes it.
        channels: number of channels of the activation.
    """

    first: ir.Node
    bias: tuple[ir.Node, int] | None
    activation: ir.Value
    second: ir.Node
    channels: int


def equalize(model: ir.Model, inputs: Arrays) -> None:
    """Equalize every pair of layers of a graph in place, by its activations for given inputs."""
    pairs = list(_layer_pairs(model))
    if not pairs:
        return
    found = run_for(model, [str(pair.activation.name) for pair in pairs])(inputs)
    for pair in pairs:
        values = np.abs(found[str(pair.activation.name)])
        by_channel = values.reshape(len(values), pair.channels, -1).swapaxes(0, 1).reshape(pair.channels, -1)
        _scale(model.graph, pair, np.percentile(by_channel, _PERCENTILE, axis=1))


def _layer_pairs(model: ir.Model) -> Iterator[_LayerPair]:
    for node in model.graph:
        if node.op_type in _HOMOGENEOUS and (pair := _layer_pair(node)) is not None:
            yield pair


def _layer_pair(function: ir.Node) -> _LayerPair | None:
    """Return the layers before and after a function; None if other nodes use the scaled values."""
    given, activation = function.inputs[0], function.outputs[0]
    first, bias = None if given is None or only_user(given) is None else given.producer(), None
    if first is not None and first.op_type == "Add" and first.inputs[0] is not None:
        bias, first = (first, 1), first.inputs[0].producer()
        if first is None or first.op_type != "MatMul":
            return None
    elif first is not None and len(first.inputs) > 2 and first.inputs[2] is not None:
        bias = first, 2
    taken, second = activation, only_user(activation)
    if second is not None and second.op_type == "Reshape":
        # From units to an image with channels first, or back.
        taken = second.outputs[0]
        second = only_user(taken)
    if first is None or second is None or only_user(first.outputs[0]) is None or second.inputs[0] is not taken:
        return None
    if not (_is_layer(first, activation) and _is_layer(second, taken)):
        return None
    before, after = sizes(activation) or [], sizes(taken) or []
    channels = min(before[0], after[0])
    if math.prod(before) != math.prod(after) or before[0] % channels or after[0] % channels:
        return None
    if bias is not None and np.asarray(constant(bias[0].inputs[bias[1]])).shape != (before[0],):
        return None
    return _LayerPair(first, bias, activation, second, channels)


def _is_layer(node: ir.Node, value: ir.Value) -> bool:
    """Whether a node has constant weights for each channel of its output or input ``value``."""
    weights = constant(node.inputs[1]) if node.op_type in _AXES else None
    if weights is None or node.attributes.get_int("group", 1) != 1:
        return False
    return len(sizes(value) or []) == weights.ndim - 1


def _scale(graph: ir.Graph, pair: _LayerPair, activation: NDArray[np.float64]) -> None:
    """Rescale a pair of layers, given the size of each channel's activations."""
    output_axis, input_axis = _AXES[pair.first.op_type][0], _AXES[pair.second.op_type][1]
    weights = np.moveaxis(np.asarray(constant(pair.second.inputs[1])), input_axis, 0)
    largest = np.abs(weights).reshape(pair.channels, -1).max(axis=1)
    usable = (activation > 0.0) & (largest > 0.0)  # a channel that is always 0 stays
    scale = np.sqrt(np.divide(activation, largest, out=np.ones(pair.channels), where=usable))
    _multiply(graph, pair.first, 1, output_axis, 1.0 / scale)
    if pair.bias is not None:
        _multiply(graph, *pair.bias, 0, 1.0 / scale)
    _multiply(graph, pair.second, 1, input_axis, scale)


def _multiply(graph: ir.Graph, node: ir.Node, index: int, axis: int, factors: NDArray[np.float64]) -> None:
    """Multiply a constant input of one node along an axis; each factor applies to all units of its channel."""
    array = np.asarray(constant(node.inputs[index]))
    each = np.repeat(factors, array.shape[axis] // len(factors))
    shape = [1] * array.ndim
    shape[axis] = -1
    node.replace_input_with(index, Writer(graph, node).constant((array * each.reshape(shape)).astype(np.float32)))

"""Analysis of a graph's first and last operators: the pixel range that it expects, the values that it returns."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ._config import Range

# ONNX operators that only move values, and operators that sum products.
_MOVES = ("Cast", "DepthToSpace", "Identity", "Reshape", "Resize", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_SUMS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Operators that keep the size of pixel values, in front of a network.
_KEEPS = (*_MOVES, "AveragePool", "GlobalAveragePool", "MaxPool", "Pad", "ReduceMean")
_AFFINE = ("Add", "Sub", "Mul", "Div")

_BOUNDS: Mapping[str, Range] = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Relu": (0.0, math.inf),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
    "Abs": (0.0, math.inf),
    "Sqrt": (0.0, math.inf),
    "Elu": (-1.0, math.inf),
}

# Plausible widths of the pixel range at a network's first weights; a wrong range is off by a factor of about 255.
_NARROWEST, _WIDEST = 0.1, 300.0


@dataclasses.dataclass(frozen=True)
class Start:
    """Operators between a network's input and its first weights.

    Attributes:
        affine: factor and offset applied to pixels, for each path to weights; medians if they differ by channel.
        blocker: an operator that cannot be analyzed; empty if there is none.
    """

    affine: tuple[tuple[float, float], ...]
    blocker: str

    def fits(self, pixels: Range) -> bool:
        """Whether the range is plausible: its width fits weights, and it contains the pixel value that becomes 0."""
        return not self.blocker and all(
            _NARROWEST <= abs(factor) * (pixels[1] - pixels[0]) <= _WIDEST
            and pixels[0] <= (-offset / factor if offset else 0.0) <= pixels[1]
            for factor, offset in self.affine
        )

    @property
    def example(self) -> Range:
        """A range that fits the operators; 0 to 255 if they cannot be analyzed."""
        if self.blocker or not self.affine:
            return 0.0, 255.0
        factor, offset = self.affine[0]
        return 0.0, round(max(1.0 / abs(factor), -2.0 * offset / factor))

    def becomes(self, pixels: Range) -> Range:
        """Return the range after the operators, where the first weights take it."""
        ranges = [(factor * pixels[0] + offset, factor * pixels[1] + offset) for factor, offset in self.affine]
        return max(ranges, key=lambda ends: abs(math.log(max(abs(ends[1] - ends[0]), 1e-30))))


@dataclasses.dataclass(frozen=True)
class End:
    """Last operator of a network and the bounds of its output.

    Attributes:
        operator: the last operator that does more than move or rescale values; empty if there is none.
        low, high: bounds of the output's values.
        linear: whether the last weights have no activation after them.
    """

    operator: str
    low: float = -math.inf
    high: float = math.inf
    linear: bool = False

    @property
    def bounded(self) -> bool:
        """Whether both bounds are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def within(self, pixels: Range) -> bool:
        """Whether all values are within a range."""
        return self.low >= pixels[0] - _near(pixels) and self.high <= pixels[1] + _near(pixels)

    def reaches(self, pixels: Range) -> bool:
        """Whether both ends of a range are possible values."""
        return self.low <= pixels[0] + _near(pixels) and self.high >= pixels[1] - _near(pixels)


def _near(pixels: Range) -> float:
    """Return the tolerance of bounds for rounding errors."""
    return 1e-3 * (pixels[1] - pixels[0])


def start_of(proto: onnx.ModelProto) -> Start:
    """Analyze the first operators of a graph with one input."""
    constants = _constants(proto)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in proto.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    results = {value.name for value in proto.graph.output}

    def walk(name: str, factor: float, offset: float) -> Iterator[tuple[float, float] | str]:
        if name in results:
            yield factor, offset
        for node in users.get(name, ()):
            step = _step(node, name, constants)
            if step is not None:
                yield from walk(node.output[0], factor * step[0], offset * step[0] + step[1])
            elif node.op_type in (*_SUMS, "Concat", "Einsum") or (
                node.op_type == "Add" and len(users.get(name, ())) > 1
            ):
                yield factor, offset
            elif node.op_type != "Shape":
                yield node.op_type

    found = list(dict.fromkeys(walk(proto.graph.input[0].name, 1.0, 0.0)))
    blocker = next((item for item in found if isinstance(item, str)), "")
    return Start(tuple(item for item in found if not isinstance(item, str) and item[0]), blocker)


def end_of(proto: onnx.ModelProto, name: str) -> End:
    """Analyze the last operators in front of one of a graph's outputs."""
    constants = _constants(proto)
    nodes = {output: node for node in proto.graph.node for output in node.output}

    def before(name: str) -> End:
        node = nodes.get(name)
        if node is None:
            return End("")
        kind = node.op_type
        if kind in _MOVES:
            return before(node.input[0])
        if kind in _SUMS:
            return End(kind, linear=True)
        if kind == "Mul" and node.input[0] == node.input[1]:
            return End("Square", 0.0)
        if kind in ("Clip", "Min", "Max"):
            return _clipped(node, constants, before)
        variable = next((name for name in node.input if name and name not in constants), "")
        step = _step(node, variable, constants)
        if step is None or not kind:
            return End(kind, *_BOUNDS.get(kind, (-math.inf, math.inf)))
        inner = before(variable)
        if inner.linear:  # adding a bias keeps it linear; rescaled products have no known end
            return dataclasses.replace(inner, linear=step[0] == 1.0)
        if not step[0]:
            return End(kind, step[1], step[1])
        low, high = sorted(end * step[0] + step[1] for end in (inner.low, inner.high))
        return End(inner.operator if any(map(math.isfinite, (low, high))) else kind, low, high)

    return before(name)


def _clipped(node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]], before: Any) -> End:
    """Return the end for Clip, or Min or Max with a constant."""
    bounds = [float(np.median(constants[name])) if name in constants else None for name in node.input]
    variable = next((name for name in node.input if name and name not in constants), "")
    if node.op_type == "Clip":
        low, high = (*bounds[1:], None, None)[:2]
    else:
        bound = next((bound for bound in bounds if bound is not None), None)
        low, high = (bound, None) if node.op_type == "Max" else (None, bound)
    inner = before(variable)
    return End(
        node.op_type if inner.linear or not inner.operator else inner.operator,
        max(inner.low, -math.inf if low is None else low),
        min(inner.high, math.inf if high is None else high),
    )


def _step(node: onnx.NodeProto, name: str, constants: Mapping[str, NDArray[Any]]) -> tuple[float, float] | None:
    """Return factor and offset that a node applies to one of its inputs; None if it is not affine."""
    kind = node.op_type
    if kind in _KEEPS:
        to = next((attribute.i for attribute in node.attribute if attribute.name == "to"), onnx.TensorProto.FLOAT)
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
        return (1.0, 0.0) if to in floats and node.input[0] == name else None
    if kind == "Neg":
        return -1.0, 0.0
    if kind == "BatchNormalization" and all(parameter in constants for parameter in node.input[1:]):
        epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
        scale, bias, mean, variance = (constants[parameter] for parameter in node.input[1:])
        factor = scale / np.sqrt(variance + epsilon)
        return float(np.median(factor)), float(np.median(bias - factor * mean))
    others = [other for other in node.input if other != name]
    if kind not in _AFFINE or len(others) != 1 or others[0] not in constants:
        return None
    value, first = float(np.median(constants[others[0]])), node.input[0] == name
    match kind:
        case "Add":
            return 1.0, value
        case "Sub":
            return (1.0, -value) if first else (-1.0, value)
        case "Mul":
            return value, 0.0
    return (1.0 / value, 0.0) if first and value else None


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    return constants

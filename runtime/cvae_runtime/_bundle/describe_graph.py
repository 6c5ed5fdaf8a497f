"""Describe an ONNX file without the onnx package: inputs, outputs, operators, parameters and metadata."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping

from .manifest_types import TensorInfo
from .plain_graph import fields, varint

_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
_INT64 = 7
_QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")


@dataclasses.dataclass(frozen=True)
class GraphDescription:
    """The description that an ONNX file contains of itself.

    Attributes:
        opset: of the standard operators; None without them.
        ir_version: of the file format.
        inputs, outputs: name, dtype and shape of each.
        operators: number of nodes by operator, with the domain if it is not the standard one.
        parameters: number of constants except scalars, shapes, indices, scales and zero points.
        metadata: of the model, by key.
    """

    opset: int | None
    ir_version: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: Mapping[str, int]
    parameters: int
    metadata: Mapping[str, str]


def describe_graph(data: bytes) -> GraphDescription:
    """Describe an ONNX file.

    Raises:
        ValueError: the bytes are no ONNX file with outputs.
    """
    model = _Message(memoryview(data))
    graph = next(reversed(model.messages(7)), _Message(memoryview(b"")))
    if not graph.messages(12):  # almost any bytes are a message
        raise ValueError("expected a graph with outputs, found none")
    opsets = {opset.text(1): opset.number(2) for opset in model.messages(8)}
    nodes = [(node.text(7), node.text(4), node.texts(1)) for node in graph.messages(1)]
    scales = {name for _, operator, names in nodes if operator in _QUANTIZATION for name in names[1:]}
    weights = [
        tensor.numbers(1)
        for tensor in graph.messages(5)
        if tensor.numbers(1) and tensor.number(2) != _INT64 and tensor.text(8) not in scales
    ]
    operators = Counter(".".join(filter(None, (domain, operator))) for domain, operator, _ in nodes)
    return GraphDescription(
        opset=opsets.get(""),
        ir_version=model.number(1),
        inputs=tuple(map(_tensor, graph.messages(11))),
        outputs=tuple(map(_tensor, graph.messages(12))),
        operators=dict(sorted(operators.items())),
        parameters=sum(map(math.prod, weights)),
        metadata={entry.text(1): entry.text(2) for entry in model.messages(14)},
    )


class _Message:
    """The fields of a protobuf message, by the numbers of onnx.proto."""

    def __init__(self, data: memoryview) -> None:
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, _, value in fields(data):
            self._fields.setdefault(number, []).append(value)

    def _bytes(self, field: int) -> Iterator[memoryview]:
        for value in self._fields.get(field, ()):
            if isinstance(value, int):
                raise ValueError(f"field {field} is a number")  # noqa: TRY004 of the file, not of an argument
            yield value

    def messages(self, field: int) -> "list[_Message]":
        return [_Message(value) for value in self._bytes(field)]

    def texts(self, field: int) -> list[str]:
        return [bytes(value).decode("utf-8", "replace") for value in self._bytes(field)]

    def text(self, field: int) -> str:
        return next(reversed(self.texts(field)), "")

    def numbers(self, field: int) -> list[int]:
        found = []
        for value in self._fields.get(field, ()):
            if isinstance(value, int):
                found.append(value)
                continue
            position = 0
            while position < len(value):
                number, position = varint(value, position)
                found.append(number)
        return found

    def number(self, field: int) -> int:
        return next(reversed(self.numbers(field)), 0)


def _tensor(value: _Message) -> TensorInfo:
    """Return name, dtype and shape of a ValueInfoProto; unknown sizes are "?"."""
    (tensor,) = [tensor for kind in value.messages(2) for tensor in kind.messages(1)] or [_Message(memoryview(b""))]
    sizes = [size for shape in tensor.messages(2) for size in shape.messages(1)]
    dtype = tensor.number(1)
    shape = tuple(size.text(2) or next(reversed(size.numbers(1)), "?") for size in sizes)
    return TensorInfo(value.text(1), _DTYPES.get(dtype, f"type {dtype}"), shape)

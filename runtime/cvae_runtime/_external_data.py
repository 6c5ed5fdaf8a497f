"""Finds tensors of an ONNX file that keep their values in another file, without the onnx package.

A bundle's graphs are self-contained: a graph that points outside could make the runtime read any file. This walks the
protobuf messages of onnx.proto by their field numbers, down every path that leads to a tensor.
"""

from collections.abc import Iterator

from ._errors import BundleError

_MAX_DEPTH = 64
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of TensorProto

# Message -> field number -> message: the fields that can lead to a TensorProto.
_PATHS = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}


def refuse_external_data(model: bytes, source: str) -> None:
    """Raise `BundleError` if the ONNX file ``model`` keeps tensor values elsewhere or is no protobuf message."""
    try:
        found = _has_external_data(memoryview(model), "Model", 0)
    except (IndexError, ValueError) as error:
        raise BundleError(f"{source}: not an ONNX file: {error}; export the bundle again") from error
    if found:
        raise BundleError(f"{source}: keeps tensors in another file, which a bundle must not; save it in one file")


def _has_external_data(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError(f"messages nested deeper than {_MAX_DEPTH}")
    for field, value in fields(message):
        if kind == "Tensor":
            if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0):
                return True
            continue
        inner = _PATHS[kind].get(field)
        if inner is not None and isinstance(value, memoryview) and _has_external_data(value, inner, depth + 1):
            return True
    return False


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one message: numbers for varints, bytes for everything else."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag >= 1 << 32:  # readers differ in what they make of it
            raise ValueError("a field number of more than 29 bits")
        field, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            number, position = _varint(message, position)
            yield field, number
            continue
        if wire_type == 2:
            size, position = _varint(message, position)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if position + size > len(message):
            raise ValueError("cut short")
        yield field, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")

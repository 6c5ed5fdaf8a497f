"""Reject ONNX files that are more than a plain graph, without the onnx package.

A bundle's graphs are untrusted data. A tensor in an external file could make ONNX Runtime read any file. A loop can
run forever. ONNX Runtime inlines every call of a function. That takes forever if each function calls the next one
twice, and overflows the stack if thousands of functions call each other in a row. The outputs of random operators
vary, and not every runtime has the operators of other domains.

So this module walks the protobuf messages of onnx.proto by field number. It accepts only the fields of a plain graph,
each with its wire type, and only lists more than once. Parsers merge repeated messages, take the last of repeated
values, and ignore unknown fields. Without these rules, a parser could read a graph other than the checked one.
"""

from collections.abc import Iterator

from .._errors import BundleError

_ORT = b"ORTM"  # at byte 4 of files in ONNX Runtime's own format, which is not protobuf

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types
_WIRE_TYPES = {"int": _VARINT, "float": _FOUR, "double": _EIGHT}

# Message -> type -> field numbers; "*" marks lists. "bytes" are strings, raw values, and messages that hold neither
# nodes nor tensors: value types, metadata and quantization.
_TYPES: dict[str, dict[str, tuple[int, ...]]] = {
    "ModelProto": {
        "int": (1, 5),
        "bytes": (2, 3, 4, 6),
        "GraphProto": (7,),
        "OperatorSetIdProto*": (8,),
        "bytes*": (14,),
    },
    "OperatorSetIdProto": {"bytes": (1,), "int": (2,)},
    "GraphProto": {
        "NodeProto*": (1,),
        "bytes": (2, 10),
        "TensorProto*": (5,),
        "bytes*": (11, 12, 13, 14, 16),
        "SparseTensorProto*": (15,),
    },
    "NodeProto": {"bytes*": (1, 2, 9), "bytes": (3, 4, 6, 7, 8), "AttributeProto*": (5,)},
    "AttributeProto": {
        "bytes": (1, 4, 13, 14, 21),
        "float": (2,),
        "int": (3, 20),
        "TensorProto": (5,),
        "float*": (7,),
        "int*": (8,),
        "bytes*": (9, 15),
        "TensorProto*": (10,),
        "SparseTensorProto": (22,),
        "SparseTensorProto*": (23,),
    },
    "SparseTensorProto": {"TensorProto": (1, 2), "int*": (3,)},
    "TensorProto": {
        "int*": (1, 5, 7, 11),
        "int": (2, 14),
        "bytes": (3, 8, 9, 12),
        "float*": (4,),
        "bytes*": (6, 16),
        "double*": (10,),
    },
}
_FIELDS = {
    kind: {number: type_ for type_, numbers in types.items() for number in numbers} for kind, types in _TYPES.items()
}

# Fields that a plain graph must not have, and the message for each.
_SUBGRAPH = "expected a plain graph without control flow, found a node with a graph of its own; export it without"
_REFUSED = {
    ("ModelProto", 20): "expected a plain graph alone, found training information; export it without",
    ("ModelProto", 25): "expected a plain graph without control flow, found functions; export it without",
    ("AttributeProto", 6): _SUBGRAPH,
    ("AttributeProto", 11): _SUBGRAPH,
}
_EXTERNAL_DATA, _DATA_LOCATION = ("TensorProto", 13), ("TensorProto", 14)
_DOMAINS = (("OperatorSetIdProto", 1), ("NodeProto", 7))
_GRAPH = 7  # of ModelProto
_INPUT, _OPERATOR = ("NodeProto", 1), ("NodeProto", 4)

_RANDOM = {
    b"Bernoulli",
    b"Multinomial",
    b"RandomNormal",
    b"RandomNormalLike",
    b"RandomUniform",
    b"RandomUniformLike",
}
_LONGEST = 60  # characters that an error message quotes


def check_plain_graph(model: bytes, source: str) -> None:
    """Raise `BundleError` unless an ONNX file is one plain graph that contains all its tensors.

    Args:
        model: the file's bytes.
        source: name of the file in error messages.
    """
    if model[4:8] == _ORT:
        raise BundleError(f"{source}: expected an ONNX file, found ONNX Runtime's own format; export the bundle again")
    try:
        refusal = _refusal(memoryview(model), "ModelProto")
    except ValueError as error:
        raise BundleError(f"{source}: not an ONNX file: {error}; export the bundle again") from error
    if refusal is not None:
        raise BundleError(f"{source}: {refusal}")


def _refusal(message: memoryview, kind: str) -> str | None:
    """Return an error message for the first part that a plain graph must not have; None if there is none.

    Args:
        message: bytes of a protobuf message.
        kind: the message's type, a key of `_TYPES`.

    Raises:
        ValueError: the bytes are not a message of this type.
    """
    seen: set[int] = set()
    inputs: list[bytes] = []
    operator = b""
    for field, wire_type, value in fields(message):
        place = kind, field
        if place in _REFUSED:
            return _REFUSED[place]
        if place == _EXTERNAL_DATA or (place == _DATA_LOCATION and value != 0):
            return "expected all tensors in the file, found some in another file; save it in one file"
        type_ = _FIELDS[kind].get(field, "")
        inner, is_list = type_.rstrip("*"), type_.endswith("*")
        # Lists of numbers may be packed.
        if not type_ or not (wire_type == _WIRE_TYPES.get(inner, _BYTES) or (is_list and wire_type == _BYTES)):
            raise ValueError(f"{kind} has an unknown field {field} of wire type {wire_type}")
        if field in seen and not is_list:
            raise ValueError(f"{kind} has field {field} twice")
        seen.add(field)
        if isinstance(value, int):
            continue
        if place in _DOMAINS and len(value):
            return (
                f"expected operators of the default domain alone, found the domain {_quoted(value)}; export it without"
            )
        if place == _INPUT:
            inputs.append(bytes(value))
        if place == _OPERATOR:
            operator = bytes(value)
        if inner in _FIELDS and (refusal := _refusal(value, inner)) is not None:
            return refusal
    if kind == "ModelProto" and _GRAPH not in seen:
        raise ValueError("expected a graph, found none")
    # The third input of Dropout enables training mode, which is random.
    if operator in _RANDOM or (operator == b"Dropout" and len(inputs) > 2 and inputs[2]):
        return f"expected no random operators, found {operator.decode()}; export it without"
    return None


def _quoted(value: memoryview) -> str:
    text = bytes(value[: 4 * _LONGEST]).decode("utf-8", "replace")
    return f'"{text[:_LONGEST]}"'


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield field number, wire type and value of each field: an int for a varint, otherwise bytes."""
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        if tag >= 1 << 32:  # parsers disagree on it
            raise ValueError("a field number of more than 29 bits")
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            number, position = varint(message, position)
            yield field, wire_type, number
            continue
        if wire_type == _BYTES:
            size, position = varint(message, position)
        elif wire_type in (_EIGHT, _FOUR):
            size = 8 if wire_type == _EIGHT else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if position + size > len(message):
            raise ValueError("cut short")
        yield field, wire_type, message[position : position + size]
        position += size


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it.

    Raises:
        ValueError: there is no number.
    """
    number = shift = 0
    while True:
        if position >= len(message):
            raise ValueError("cut short")
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")

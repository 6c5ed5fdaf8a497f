"""Convert checked JSON to frozen dataclasses, and back."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Dataclass = TypeVar("Dataclass")


def from_json(kind: type[Dataclass], value: Mapping[str, Any]) -> Dataclass:
    """Convert a JSON object, which fits the schema of the dataclass, to the dataclass. Unknown keys are ignored."""
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if _key(field) in value]  # type: ignore[arg-type]
    return kind(**{name: _convert(hints[name], value[name.removesuffix("_")]) for name in names})


def to_json(value: Any) -> Any:
    """Convert a dataclass to JSON values. Optional fields that are None are left out."""
    if not dataclasses.is_dataclass(value):
        return [to_json(item) for item in value] if isinstance(value, tuple) else value
    fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return {_key(field): to_json(item) for field, item in fields if not (item is None and field.default is None)}


def _key(field: dataclasses.Field[Any]) -> str:
    """Return the key of a field in JSON: the field of a Python keyword, such as from, is called ``from_``."""
    return field.name.removesuffix("_")


def _convert(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_json(kind, value)
    if kind in (int, float):  # 28.0 is an integer, and 28 a number
        return kind(value)
    if origin is tuple:
        return tuple(_convert(arguments[0], item) for item in value)
    if origin is Mapping:
        return {key: _convert(arguments[1], item) for key, item in value.items()}
    if origin is types.UnionType and value is not None and not isinstance(value, str):
        return _convert(next(choice for choice in arguments if choice not in (types.NoneType, str)), value)
    return value

"""Convert parsed JSON to frozen dataclasses, and check types and constraints."""

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from .._errors import BundleError

Dataclass = TypeVar("Dataclass")


@dataclasses.dataclass(frozen=True)
class Rule:
    """A constraint on a value beyond its type, in words and as a predicate."""

    words: str
    holds: Callable[[Any], bool]


def excerpt(value: Any) -> str:
    """Return a JSON value as text, cut to 60 characters."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _decode(kind: Any, value: Any, source: str, path: str) -> Any:
    """Convert a JSON value to ``kind``: a dataclass, tuple, mapping, union, literal or plain type.

    Args:
        kind: the type, with its constraints.
        value: the parsed JSON.
        source: name of the file in error messages.
        path: position of the value in the manifest, such as "graphs[0].file".

    Raises:
        BundleError: the value is not of this type, or violates a constraint.
    """

    def wrong(expected: str) -> BundleError:
        return BundleError(f"{source}: {path or 'manifest'}: expected {expected}, found {excerpt(value)}")

    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise wrong("an object")
        return decode_object(kind, value, source, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        decoded, rule = _decode(arguments[0], value, source, path), arguments[1]
        if not rule.holds(decoded):
            raise wrong(rule.words)
        return decoded
    if origin in (types.UnionType, typing.Union):  # Union if an alternative is Annotated
        if value is None and types.NoneType in arguments:
            return None
        choices = [choice for choice in arguments if choice is not types.NoneType]
        if len(choices) == 1:
            return _decode(choices[0], value, source, path)
        if not any(_is_instance(choice, value) for choice in choices):
            raise wrong(" or ".join(map(_type_name, choices)))
        return _decode(next(choice for choice in choices if _is_instance(choice, value)), value, source, path)
    if origin is Literal:
        if value not in arguments or not isinstance(value, str):
            raise wrong("one of " + ", ".join(arguments))
        return value
    if origin is tuple:
        fixed = len(arguments) if arguments[-1] is not Ellipsis else None
        if not isinstance(value, list) or (fixed is not None and len(value) != fixed):
            raise wrong("a list" if fixed is None else f"a list of {fixed}")
        return tuple(_decode(arguments[0], item, source, f"{path}[{n}]") for n, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise wrong("an object")
        return {key: _decode(arguments[1], item, source, f"{path}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if not _is_instance(kind, value):
        raise wrong(_type_name(kind))
    return kind(value)


def decode_object(kind: type[Dataclass], value: dict[str, Any], source: str, path: str) -> Dataclass:
    """Convert a JSON object to a dataclass; missing fields take their defaults. See `_decode`."""
    every = dataclasses.fields(kind)  # type: ignore[arg-type]  # a dataclass, as its callers have seen
    optional = {field.name for field in every if field.default is not dataclasses.MISSING}
    fields = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        where = f"{path}.{name}" if path else name
        if name not in value:
            if name in optional:
                continue
            raise BundleError(f"{source}: {where}: expected, but missing")
        fields[name] = _decode(hint, value[name], source, where)
    return kind(**fields)


def _is_instance(kind: Any, value: Any) -> bool:
    # As in JSON Schema, 28.0 is an integer, and true is not a number.
    if kind is int:
        return not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
    if kind is float:
        # JSON allows integers beyond the range of float64.
        return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, kind)


def _type_name(kind: Any) -> str:
    return {int: "an integer", float: "a number", str: "a string", bool: "true or false"}.get(kind, "an object")

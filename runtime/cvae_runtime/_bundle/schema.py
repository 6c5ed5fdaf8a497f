"""Check JSON values by a JSON Schema: the keywords of 2020-12 that ``manifest.schema.json`` uses, and no others.

``runtime/js/src/schema.ts`` has the same rules and messages in JavaScript.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_UNCHECKED = {"$schema", "$comment", "$defs", "description", "title", "then"}
_CHECKED = {
    *("$ref", "type", "enum", "const", "not", "anyOf", "allOf", "if", "required", "properties", "additionalProperties"),
    *("minItems", "maxItems", "uniqueItems", "items", "contains", "minimum", "maximum", "pattern", "maxLength"),
}


def find_error(value: Any, schema: Schema) -> str | None:
    """Return the first error of a parsed JSON value, as "<path>: expected <this>, found <that>".

    A schema's ``title`` replaces the words for what is expected.

    Args:
        value: the parsed JSON.
        schema: the schema, with the definitions that it refers to.

    Returns:
        The error; None if the value is valid. The path is such as "graphs[0].file", and "manifest" for ``value``
        itself.

    Raises:
        ValueError: the schema has a keyword that this module does not know.
    """
    return next(_errors(value, schema, "", schema["$defs"]), None)


def excerpt(value: Any) -> str:
    """Return a JSON value as text, cut to 60 characters."""
    text = json.dumps(value, separators=(",", ":"))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _errors(value: Any, schema: Schema, path: str, definitions: Mapping[str, Schema]) -> Iterator[str]:
    if unknown := schema.keys() - _CHECKED - _UNCHECKED:
        raise ValueError(f"unknown keywords of JSON Schema: {', '.join(sorted(unknown))}")

    def error(words: str, found: str | None = None) -> str:
        return f"{path or 'manifest'}: expected {schema.get('title', words)}, found {found or excerpt(value)}"

    def below(rule: Schema, inner: Any = value, where: str = path) -> Iterator[str]:
        return _errors(inner, rule, where, definitions)

    def holds(rule: Schema, inner: Any = value) -> bool:
        return next(below(rule, inner), None) is None

    if "$ref" in schema:
        yield from below(definitions[schema["$ref"].removeprefix("#/$defs/")])
    if "type" in schema and not _TYPES[schema["type"]](value):
        yield error(_words(schema))
    if "enum" in schema and value not in schema["enum"]:
        yield error("one of " + ", ".join(schema["enum"]))
    if "const" in schema and value != schema["const"]:
        yield error(str(schema["const"]))
    if "not" in schema and holds(schema["not"]):
        yield error("another value")
    if "anyOf" in schema and not any(map(holds, schema["anyOf"])):
        # The errors of the only alternative besides null say more than "an object".
        others = [rule for rule in schema["anyOf"] if rule.get("type") != "null"]
        yield from below(others[0]) if len(others) == 1 else [error(" or ".join(map(_words, others)))]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key in dict.fromkeys([*properties, *schema.get("required", ())]):
            where = f"{path}.{key}" if path else key
            if key in value:
                yield from below(properties.get(key, {}), value[key], where)
            elif key in schema.get("required", ()):
                yield f"{where}: expected, but missing"
        if "additionalProperties" in schema:
            for key in value.keys() - properties.keys():
                yield from below(schema["additionalProperties"], value[key], f"{path}.{key}" if path else key)
    if isinstance(value, list):
        low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if low == high != len(value):
            yield error(f"a list of {low}")
        elif not low <= len(value) <= high:
            yield error(f"at least {low}" if len(value) < low else f"at most {high}", str(len(value)))
        elif schema.get("uniqueItems") and len(set(map(json.dumps, value))) < len(value):
            yield error("different items")
        for index, item in enumerate(value if "items" in schema else ()):
            yield from below(schema["items"], item, f"{path}[{index}]")
        if "contains" in schema and not any(holds(schema["contains"], item) for item in value):
            yield error("an item", "none")
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if _TYPES["number"](value) and not low <= value <= high:
        yield error(f"at least {low}" if high == math.inf else f"{low} to {high}")
    if isinstance(value, str) and not (
        re.search(schema.get("pattern", ""), value) and len(value) <= schema.get("maxLength", math.inf)
    ):
        yield error("another text")
    for rule in schema.get("allOf", ()):
        yield from below(rule)
    if "if" in schema and holds(schema["if"]):
        yield from below(schema["then"])


# As in JSON Schema, 28.0 is an integer, and true is not a number.
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _TYPES["number"](value) and value % 1 == 0,
}


def _words(schema: Schema) -> str:
    kind: str = schema["type"]
    words = {"array": "a list", "integer": "an integer", "object": "an object"}.get(kind, f"a {kind}")
    return f"{words} of {schema['minItems']}" if "minItems" in schema else words

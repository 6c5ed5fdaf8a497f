"""Parse untrusted JSON: one type of error, and limits on nesting and on the length of integers."""

import json
from collections.abc import Iterable
from typing import Any

_DEEPEST = 64  # levels of nesting; files of this project have up to 8
_LONGEST = 1000  # digits of an integer; Python's limit is 4,300, and below it parsing takes quadratic time


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: the text is not JSON or not UTF-8; or it contains NaN, an infinity, an integer of more than 1,000
            digits, or more than 64 levels of lists and objects.

    Examples:
        >>> files.parse_json('{"epochs": 3}')
        {'epochs': 3}
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for container in level for item in _items(container) if isinstance(item, list | dict)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


_TOO_DEEP = f"lists and objects nested deeper than {_DEEPEST}"


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST:
        raise ValueError(f"an integer of {len(text):,} digits; at most {_LONGEST:,} are read")
    return int(text)

"""Texts of strangers on a terminal: names and errors that hold control characters print these as escapes."""

import logging
import unicodedata
from typing import Any

# Categories of control characters, separators of lines, and halves of surrogate pairs, which no encoding has.
_ESCAPED = ("Cc", "Cs", "Zl", "Zp")
_TURNS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the direction of a text


def printable(text: str, keep: str = "\n\t") -> str:
    r"""Escape what a terminal would obey instead of show: ``\x1b`` for the character that begins its commands.

    Args:
        text: any text.
        keep: control characters that stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character) if _is_obeyed(character) and character not in keep else character for character in text
    )


def printable_values(value: Any) -> Any:
    """A value of JSON, its texts escaped, line breaks and tabs too: what a table shows of a file of strangers."""
    if isinstance(value, str):
        return printable(value, keep="")
    if isinstance(value, dict):
        return {
            printable(key, keep="") if isinstance(key, str) else key: printable_values(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [printable_values(item) for item in value]
    return value


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def printable_handler() -> logging.Handler:
    """A handler of `logging` that writes messages to stderr as texts that a terminal shows and does not obey."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(message)s"))
    return handler


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in _ESCAPED or character in _TURNS


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")

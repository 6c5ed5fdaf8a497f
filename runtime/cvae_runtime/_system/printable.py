"""Print untrusted text on a terminal safely: escape control characters."""

import logging
import os
import shlex
import sys
import unicodedata
from pathlib import Path
from typing import Any

# Unicode categories: control characters, line and paragraph separators, and lone surrogates, which cannot be encoded.
_ESCAPED = ("Cc", "Cs", "Zl", "Zp")
_BIDIRECTIONAL = (
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # change the direction of text
)


def printable(text: str, keep: str = "\n\t") -> str:
    r"""Escape characters that a terminal interprets: ``\x1b`` for the one that begins its commands.

    Args:
        text: any text.
        keep: control characters that are not escaped.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character) if _is_control(character) and character not in keep else character for character in text
    )


def printable_values(value: Any) -> Any:
    r"""Escape the strings of a JSON value, including line breaks and tabs, to print data of untrusted files.

    Examples:
        >>> print(system.printable_values({"name": "cat\x1b[2J"}))
        {'name': 'cat\\x1b[2J'}
    """
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


def shell_quote(path: Path | str) -> str:
    r"""Quote a file name for a command in a message, so that the command works when it is pasted.

    A name with characters that `printable` or the encoding of stderr would change becomes ``$'caf\303\251'``: bash,
    zsh and ksh read its octal bytes.

    Examples:
        >>> print("cvae-encode", system.shell_quote("my photos"))
        cvae-encode 'my photos'
    """
    text = str(path)
    try:
        text.encode(getattr(sys.stderr, "encoding", None) or "utf-8")
        if printable(text, keep="") == text:
            return shlex.quote(text)
    except UnicodeEncodeError:
        pass
    plain = set(range(32, 127)) - set(b"\\'")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in os.fsencode(text)) + "'"


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def printable_handler() -> logging.Handler:
    """Make a `logging` handler that writes messages to stderr with control characters escaped."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(message)s"))
    return handler


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _ESCAPED or character in _BIDIRECTIONAL


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")

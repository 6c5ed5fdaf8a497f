"""Exit of a console script after an exception: one message and one exit code."""

import contextlib
import textwrap
import traceback

import click

from ._errors import CvaeError
from ._system import print_error, reader_has_gone

INTERRUPTED = 130

_LONGEST = 600  # characters of a message from a library; some of TensorFlow's fill pages


def report_error(error: BaseException, *, verbose: bool) -> int:
    """Print an exception's message, with its traceback if ``verbose``, and return the exit code."""
    error = _original(error)
    if isinstance(error, click.ClickException):
        with contextlib.suppress(OSError, ValueError):
            error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        interrupt = error if error.__cause__ is None else error.__cause__
        print_error("\n".join(["interrupted", *getattr(interrupt, "__notes__", [])]))
        return INTERRUPTED
    if isinstance(error, BrokenPipeError | SystemExit) and reader_has_gone():
        return 1  # the reader, such as `head`, closed the pipe
    if verbose:
        print_error(_traceback(error))
    if isinstance(error, CvaeError):
        print_error(f"Error: {error}")
        return error.exit_code
    if isinstance(error, OSError | MemoryError):
        # Any call may fail this way: a name that is too long, a deleted folder, no memory.
        print_error(f"Error: {_text(error) or 'out of memory'}; check names, space and permissions")
        return 1
    text = _text(error)
    print_error(
        f"Error: {type(error).__name__}{text and ': '}{text}; this is unexpected: run the command again with -v, "
        f"and open an issue for cvae-toolkit with the command line and the traceback"
    )
    return 1


def _original(error: BaseException) -> BaseException:
    """Return the EOFError from which click made an Abort, or else the error itself."""
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        return error.__cause__  # a truncated file, not Ctrl-D
    return error


def _text(error: BaseException) -> str:
    try:
        return textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    except Exception:  # the exception's __str__ may raise
        return ""


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:  # __str__ may raise, and the traceback of a recursion may be too deep
        return f"no traceback of {type(error).__name__} can be shown"

"""Handle an exception that ends a command: one message and one exit code for every type."""

import contextlib
import textwrap
import traceback

import click

from ._errors import CvaeError
from ._system import print_error, reader_has_gone

INTERRUPTED = 130

_LONGEST = 600  # characters of another library's message; some of TensorFlow's take pages


def end_of(error: BaseException, *, verbose: bool) -> int:
    """Print an exception's message, and its traceback if ``verbose``; return the command's exit code."""
    error = _raised(error)
    if isinstance(error, click.ClickException):
        with contextlib.suppress(OSError, ValueError):
            error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        print_error("interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError | SystemExit) and reader_has_gone():
        return 1  # the reader of a pipe, such as `head`, has closed it
    if verbose:
        print_error(_traceback(error))
    if isinstance(error, CvaeError):
        print_error(f"Error: {error}")
        return error.exit_code
    if isinstance(error, OSError | MemoryError):
        # Errors of the system that can occur anywhere: a name too long, a folder removed meanwhile, out of memory.
        print_error(f"Error: {_words(error) or 'out of memory'}; check names, space and permissions")
        return 1
    words = _words(error)
    print_error(
        f"Error: {type(error).__name__}{words and ': '}{words}; this is unexpected: run the command again with -v, "
        f"and open an issue for cvae-toolkit with the command line and the traceback"
    )
    return 1


def _raised(error: BaseException) -> BaseException:
    """Exception that click replaced with another one; otherwise the exception itself."""
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        return error.__cause__  # a file ended too early; the user did not abort
    return error


def _words(error: BaseException) -> str:
    try:
        return textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    except Exception:  # an exception's __str__ may fail
        return ""


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:  # as above; a RecursionError is possible, too
        return f"cannot format the traceback of {type(error).__name__}"

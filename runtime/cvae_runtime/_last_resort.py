"""How a command ends when something is raised: one message and an exit code, whatever it is."""

import contextlib
import textwrap
import traceback

import click

from ._errors import CvaeError
from ._system import print_error, reader_has_gone

INTERRUPTED = 130

_LONGEST = 600  # characters of a stranger's message; some of TensorFlow's have pages


def end_of(error: BaseException, *, verbose: bool) -> int:
    """Print what an exception says, with its traceback if ``verbose``; the exit code that it ends a command with."""
    error = _raised(error)
    if isinstance(error, click.ClickException):
        with contextlib.suppress(OSError, ValueError):
            error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        print_error("interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError | SystemExit) and reader_has_gone():
        return 1  # `head` has all it wants; click ends the process for it
    if verbose:
        print_error(_traceback(error))
    if isinstance(error, CvaeError):
        print_error(f"Error: {error}")
        return error.exit_code
    if isinstance(error, OSError | MemoryError):
        # What the system refuses anywhere: a name that is too long, a folder that went away, memory.
        print_error(f"Error: {_words(error) or 'out of memory'}; check names, space and permissions")
        return 1
    words = _words(error)
    print_error(
        f"Error: {type(error).__name__}{words and ': '}{words}; this is unexpected: say the command again with -v, "
        f"and open an issue of cvae-toolkit with the command line and the traceback"
    )
    return 1


def _raised(error: BaseException) -> BaseException:
    """What was raised before click turned it into something else."""
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        return error.__cause__  # a file that ends too early, not the user who ends it
    return error


def _words(error: BaseException) -> str:
    try:
        return textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    except Exception:  # an exception's own method may fail
        return ""


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:  # as above, and as deep as a recursion
        return f"cannot format the traceback of {type(error).__name__}"

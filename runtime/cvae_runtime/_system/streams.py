"""Standard streams of a console script: keep all three open, and print any file name.

A shell can start a process without stdin, stdout or stderr (``2>&-``). The next opened file then gets the free
descriptor, and errors that C code prints end up in that file.
"""

import contextlib
import io
import os
import select
import sys
import tempfile
from collections.abc import Iterator

from .._errors import CvaeError, InputError
from .printable import printable

# stdin is opened for writing and stdout for reading, so that both fail at the first use. stderr drops its output.
_MODES = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)


def guard_streams() -> None:
    """Open the null device on each closed descriptor of 0, 1 and 2; escape characters that stdout cannot encode."""
    for descriptor, mode in enumerate(_MODES):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115 - for the whole process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Python sets this for stderr already.
        sys.stdout.reconfigure(errors="backslashreplace")
    elif sys.stdout is None:
        sys.stdout = _Closed()


def check_stdout() -> None:
    """Check, before a command works for minutes, that stdout can be written.

    Raises:
        InputError: it is closed.
        BrokenPipeError: it is a pipe without a reader.
    """
    if isinstance(sys.stdout, _Closed):
        sys.stdout.write("")  # raises
    if hasattr(select, "poll") and _has_no_reader(1):
        raise BrokenPipeError


def drop_stdout_that_fails() -> None:
    """Flush stdout; if that fails, redirect it to the null device, so that Python prints no error at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)


@contextlib.contextmanager
def suppress_native_stderr() -> Iterator[None]:
    """Drop what C++ code writes to stderr within the block; print it if the block raises.

    On a machine without a GPU, TensorFlow logs a dozen lines about the missing GPU on import and first use. It writes
    them to the file descriptor and ignores its own log levels.

    Examples:
        >>> import os
        >>> with system.suppress_native_stderr():
        ...     os.write(2, b"dropped")
        7
    """
    if sys.stderr is None:  # a program without a console
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except CvaeError:  # the message is complete without the log
            raise
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def print_error(message: str) -> None:
    """Write a message to stderr, with control characters escaped; ignore errors of stderr itself."""
    with contextlib.suppress(OSError, ValueError):
        print(printable(message), file=sys.stderr, flush=True)


def reader_has_gone() -> bool:
    """Whether stdout or stderr is a pipe without a reader; True if the system cannot poll."""
    return not hasattr(select, "poll") or _has_no_reader(1, 2)


def _has_no_reader(*descriptors: int) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


class _Closed(io.TextIOBase):
    """Replacement for a closed stdout: writing to it raises `InputError`."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> "_Closed":
        return self

    def fileno(self) -> int:
        return 1

    def writable(self) -> bool:
        return True

    def write(self, _text: object) -> int:
        raise InputError("stdout: expected an open stream, found it closed; send it to a file or to /dev/null")

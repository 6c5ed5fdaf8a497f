"""Lock a folder for one process at a time.

The lock is `flock` on the open folder, not a file in it. It ends with its process, leaves no file, and stays on the
folder when it is renamed. On Windows and some network file systems, no lock is taken.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._errors import InputError

_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def lock_directory(folder: Path, name: Path | None = None) -> Iterator[None]:
    """Lock a folder against other processes for a block.

    Args:
        folder: an existing folder.
        name: name of the folder in errors; default: its path.

    Raises:
        InputError: another process has the lock, or has just replaced the folder; or it cannot be opened.

    Examples:
        >>> with files.lock_directory(Path(".")):
        ...     files.write_file(Path("a.txt"), b"no other process has the lock")
        >>> Path("a.txt").read_text()
        'no other process has the lock'
    """
    if sys.platform == "win32":  # cannot open folders
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"cannot open the folder {folder}: {error.strerror}; check permissions") from error
    try:
        if not (_lock(descriptor) and _is_still(folder, descriptor)):
            raise InputError(
                f"{name or folder}: expected a folder that no process is writing, found another process at work in it; "
                f"wait until it ends, or choose another name"
            )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_still(folder: Path, descriptor: int) -> bool:
    """Whether the path is still the opened folder: it could be replaced before it was locked."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

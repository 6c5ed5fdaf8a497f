"""One process at a time in a folder.

The hold is the system's lock of the open folder, `flock`, not a file in it: it ends with its process, however that ends, leaves nothing
behind, and goes along when the folder is renamed. Where there is none (Windows, some network file systems) nobody is kept out.
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
    """Keep every other process out that asks for this folder, for a block.

    Args:
        folder: one that is there.
        name: what the error calls it; the folder if not given.

    Raises:
        InputError: another process holds it, or has just put another folder in its place; or it cannot be opened.
    """
    if sys.platform == "win32":  # opens no folders
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
    """Whether the folder was not replaced between its opening and its locking."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

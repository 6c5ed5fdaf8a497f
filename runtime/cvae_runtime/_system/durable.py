"""Flush files and folders to the disk."""

import errno
import os
from pathlib import Path

_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def sync_folders(folder: Path) -> None:
    """Make the entries of a folder and its subfolders durable, deepest first."""
    for path, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(path))


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable; does nothing on Windows."""
    if os.name == "posix":
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except PermissionError:  # a folder may be writable and not readable
            return
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)


def sync(descriptor: int) -> None:
    """Flush a descriptor to the disk; some network and FUSE file systems do not support this, and are ignored."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise

"""What was written reaches the disk: first a file, then the folder with its name in it."""

import errno
import os
from pathlib import Path

_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def sync_folders(folder: Path) -> None:
    """Make what lies in a folder, and in those below it, durable, the deepest first."""
    for path, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(path))


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where the system knows how (Windows does not)."""
    if os.name == "posix":
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except PermissionError:  # a folder may be written and not be read
            return
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)


def sync(descriptor: int) -> None:
    """Flush to the disk, where the file system knows how: some of the network and of FUSE do not."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise

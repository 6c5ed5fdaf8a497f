"""Copy mode and owner of a file or folder to its replacement, so that private files stay private."""

import os
import stat
from collections.abc import Callable
from pathlib import Path


def access_of(path: Path, kind: Callable[[int], bool]) -> os.stat_result | None:
    """Status of a file or folder of a kind, without following links; None if it does not exist, and on Windows.

    Args:
        path: the file or folder.
        kind: a test of modes, such as `stat.S_ISREG`.
    """
    if os.name != "posix":
        return None
    try:
        status = path.lstat()
    except OSError:
        return None
    return status if kind(status.st_mode) else None


def give_access(path: Path, old: os.stat_result) -> None:
    """Give a file or folder the owner, group and mode of another."""
    mode = stat.S_IMODE(old.st_mode) & (0o7777 if stat.S_ISDIR(old.st_mode) else 0o777)
    now = path.stat()
    if (now.st_uid, now.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(path, old.st_uid, old.st_gid)
        except OSError:  # only root changes owners
            try:
                os.chown(path, -1, old.st_gid)
            except OSError:  # the group cannot be changed: give it no more rights than other users have
                mode = mode & ~0o070 | (mode & 0o007) << 3 & mode
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)

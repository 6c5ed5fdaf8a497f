"""Mode and owner of what is replaced: its successor keeps them, so that a private file stays private."""

import os
import stat
from collections.abc import Callable
from pathlib import Path


def access_of(path: Path, kind: Callable[[int], bool]) -> os.stat_result | None:
    """Mode and owner of what is there and of this kind, links not followed; None elsewhere, and on Windows."""
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
        except OSError:  # only root gives files away
            try:
                os.chown(path, -1, old.st_gid)
            except OSError:  # another group gets no more than everybody
                mode = mode & ~0o070 | (mode & 0o007) << 3 & mode
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)

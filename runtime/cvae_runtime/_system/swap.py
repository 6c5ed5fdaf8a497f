"""Swap two paths atomically, so that both exist at all times."""

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap_paths(one: Path, other: Path) -> bool:
    """Swap the names of two files or folders of one file system, by Linux's ``renameat2``.

    Returns:
        False if the system does not support it, or the swap fails; the names are then unchanged.
    """
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)

"""Two names exchanged in one step, so that there is no instant without the one or the other."""

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap_paths(one: Path, other: Path) -> bool:
    """Let two files or folders of one file system change names.

    Returns:
        False, and nothing is done, where the system does not know how: it is Linux's ``renameat2``.
    """
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)

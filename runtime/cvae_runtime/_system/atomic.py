"""Write files atomically: a partial file never has its final name.

Data go to a temporary file beside the target, are flushed to the disk, and the file is renamed. A killed process leaves
at most a hidden ``.NAME.XXXXXXXX.tmp``.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .._errors import CvaeError, InputError, TargetExistsError
from .access import access_of, give_access
from .durable import sync, sync_folder


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise unless the file ``target`` may be written.

    Raises:
        TargetExistsError: the file exists and ``overwrite`` is false, or it is a folder.
        InputError: its parent folder does not exist; or it is a pipe or a device.

    Examples:
        >>> files.write_file(Path("a.txt"), b"text")
        >>> try:
        ...     files.refuse_existing(Path("a.txt"), overwrite=False)
        ... except cvae.TargetExistsError as error:
        ...     print(error)
        a.txt exists already; choose another name or pass --overwrite
    """
    refuse_name(target, overwrite, "--overwrite")
    if target.is_dir():
        raise TargetExistsError(f"{target}: expected the name of a file, found a folder; choose another name")


def refuse_special(path: Path) -> None:
    """Raise `InputError` for a path that is neither file nor folder, such as a pipe.

    Reading a pipe or ``/dev/zero`` may never end, and renaming a file to ``/dev/null`` replaces the device. Missing
    paths pass; open() reports them.

    Examples:
        >>> try:
        ...     files.refuse_special(Path("/dev/null"))
        ... except cvae.InputError as error:
        ...     print(error)
        /dev/null: expected the name of a file, found a pipe, a device or a socket; name a file
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: expected the name of a file, found a pipe, a device or a socket; name a file")


def write_file(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target`` atomically; replace an existing file.

    Examples:
        >>> files.write_file(Path("a.txt"), b"text")
        >>> Path("a.txt").read_bytes()
        b'text'
    """
    with new_file(target) as file:
        file.write(data)


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that is renamed to ``target`` when the block succeeds.

    If the block raises or the process is killed, ``target`` does not change. The new file gets the mode of the file
    that it replaces, and its owner and group if the system allows that. It is never readable to more users than the
    old file.

    Raises:
        InputError: the file cannot be written; each `OSError` of the block becomes this error.
    """
    refuse_special(target)
    temporary = temporary_name(target)
    try:
        old = access_of(target, stat.S_ISREG)
        with open(temporary, "xb", opener=_opener(0o666 if old is None else 0o600)) as file:
            if old is not None:
                give_access(temporary, old)
            yield file
            file.flush()
            sync(file.fileno())
        temporary.replace(target)
        sync_folder(target.absolute().parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the folder may be read-only or missing by now
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise cannot_write(target, error) from error
        raise


def refuse_name(target: Path, allowed: bool, remedy: str) -> None:
    """Raise if a target exists and is not ``allowed``, if its parent folder is missing, or it is a pipe or device."""
    refuse_special(target)
    if os.path.lexists(target) and not allowed:
        raise TargetExistsError(f"{target} exists already; choose another name or pass {remedy}")
    if not target.absolute().parent.is_dir():
        raise InputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")


def cannot_write(target: Path, error: OSError) -> InputError:
    """Make the error for a target that could not be written."""
    return InputError(f"cannot write {target}: {error.strerror or error}; check space and permissions")


def temporary_name(target: Path) -> Path:
    """Make a unique hidden name beside a file or folder."""
    if target.name in ("", ".."):
        raise InputError(f"cannot write {target}: expected a name, found the path of a folder that is in use")
    # tempfile's files have mode 0600; these follow the user's umask.
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _opener(mode: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags, mode)

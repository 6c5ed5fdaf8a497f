"""Writing that never leaves a partial file or folder under its final name.

Everything is written to a temporary name beside the target, flushed to the disk and renamed. A process that is
killed leaves at most a hidden ``.NAME.XXXXXXXX.tmp`` behind, never a target that is half there.
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
        TargetExistsError: it exists and ``overwrite`` is false, or it is a folder.
        InputError: the folder that is to hold it does not exist; or it is a pipe or a device.
    """
    refuse_name(target, overwrite, "--overwrite")
    if target.is_dir():
        raise TargetExistsError(f"{target}: expected the name of a file, found a folder; choose another name")


def refuse_special(path: Path) -> None:
    """Raise `InputError` for what is neither file nor folder.

    Reading a pipe or ``/dev/zero`` may never end, and a file that is renamed to ``/dev/null`` takes the place of the
    device. What is not there is nobody's fault yet: whoever opens it will say why.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: expected the name of a file, found a pipe, a device or a socket; name a file")


def write_file(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target``, whole or not at all, replacing what is there."""
    with new_file(target) as file:
        file.write(data)


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file beside ``target`` that takes its place when the block ends well.

    When the block raises, or the process is killed, ``target`` is as before. The new file has the mode and, where the
    system allows it, the owner and group of the file that it replaces; at no time may others read it who could not read
    that.

    Raises:
        InputError: it cannot be written, which any `OSError` of the block is taken for.
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
        with contextlib.suppress(OSError):  # the folder may have become read-only, or have gone
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise cannot_write(target, error) from error
        raise


def move_file(source: Path, target: Path) -> None:
    """Rename a file that is whole and on the disk, in one folder, replacing what is there.

    Raises:
        InputError: it cannot be renamed.
    """
    try:
        source.replace(target)
        sync_folder(target.absolute().parent)
    except OSError as error:
        raise cannot_write(target, error) from error


def refuse_name(target: Path, allowed: bool, remedy: str) -> None:
    """Raise for what is there and may not be written, a folder above that is not there, and what is no file or folder."""
    refuse_special(target)
    if os.path.lexists(target) and not allowed:
        raise TargetExistsError(f"{target} exists already; choose another name or pass {remedy}")
    if not target.absolute().parent.is_dir():
        raise InputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")


def cannot_write(target: Path, error: OSError) -> InputError:
    """Name what could not be written, and why."""
    return InputError(f"cannot write {target}: {error.strerror or error}; check space and permissions")


def temporary_name(target: Path) -> Path:
    """A hidden name beside a file or folder that no other has."""
    if target.name in ("", ".."):
        raise InputError(f"cannot write {target}: expected a name, found the path of a folder that is in use")
    # Own names instead of tempfile's: those have mode 0600, and the result should have the user's umask.
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _opener(mode: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags, mode)

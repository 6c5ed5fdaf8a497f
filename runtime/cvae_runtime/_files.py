"""Writing that never leaves a partial file or folder under its final name.

Everything is written to a temporary name beside the target, flushed to the disk and renamed. A process that is
killed leaves at most a hidden ``.NAME.XXXXXXXX.tmp`` behind, never a target that is half there.
"""

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ._errors import CvaeError, InputError, TargetExistsError
from ._exchange import exchange


def refuse_existing(target: Path, overwrite: bool, *, remedy: str = "--overwrite") -> None:
    """Raise unless ``target`` may be written.

    Raises:
        TargetExistsError: it exists and ``overwrite`` is false; the message names ``remedy``.
        InputError: the folder that is to hold it does not exist; or it is a pipe or a device.
    """
    refuse_special(target)
    if os.path.lexists(target) and not overwrite:
        raise TargetExistsError(f"{target} exists already; choose another name or say {remedy}")
    if not target.absolute().parent.is_dir():
        raise InputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")


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

    When the block raises, or the process is killed, ``target`` is as before.

    Raises:
        InputError: it cannot be written, which any `OSError` of the block is taken for.
    """
    refuse_special(target)
    temporary = _temporary_name(target)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.absolute().parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the folder may have become read-only, or have gone
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise _cannot_write(target, error) from error
        raise


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files that processes which were killed have left in ``folder``."""
    for path in folder.glob(".*.????????.tmp"):
        with contextlib.suppress(OSError):  # what cannot be removed is in nobody's way
            path.unlink()


@contextmanager
def new_folder(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``target`` that takes its place when the block ends well.

    A folder that is there already keeps its name until the new one has it, and is removed last: in one step on Linux,
    elsewhere moved aside first, so that a failure at any point leaves the old one or the new one whole. When the block
    raises, the temporary folder is removed and ``target`` is as before. The block writes its files by `write_file`,
    which flushes them.

    Args:
        target: the folder.
        overwrite: whether what is there when the block ends is replaced, an empty folder apart.

    Raises:
        InputError: the folder cannot be made there, which any `OSError` of the block is taken for, or has no name of
            its own, as ``.`` and ``..``.
        TargetExistsError: something came there during the block, and ``overwrite`` is false.
    """
    refuse_special(target)
    temporary = _temporary_name(target)
    try:
        temporary.mkdir()
        yield temporary
        if overwrite and os.path.lexists(target):
            _replace(temporary, target)
        else:
            _take(temporary, target)
        _sync_folder(target.absolute().parent)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise _cannot_write(target, error) from error
        raise


def _take(temporary: Path, target: Path) -> None:
    """Rename where nothing is, or an empty folder."""
    if os.name == "nt":  # which renames to no name that is there
        with contextlib.suppress(OSError):
            target.rmdir()
    try:
        temporary.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise TargetExistsError(f"{target} was made by another process meanwhile; choose another name") from error
        raise


def _replace(temporary: Path, target: Path) -> None:
    """Put a folder in the place of what is there, and remove that."""
    if exchange(temporary, target):
        old = temporary
    else:
        old = _temporary_name(target)
        target.rename(old)
        try:
            temporary.rename(target)
        except BaseException:
            old.rename(target)
            raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)  # the new one has its place, whatever becomes of the old one
    else:
        old.unlink()


def _cannot_write(target: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {target}: {error.strerror or error}; check space and permissions")


def _temporary_name(target: Path) -> Path:
    if target.name in ("", ".."):
        raise InputError(f"cannot write {target}: expected a name, found the path of a folder that is in use")
    # Own names instead of tempfile's: those have mode 0600, and the result should have the user's umask.
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where the system knows how (Windows does not)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Writing that never leaves a partial file or folder under its final name.

Everything is written to a temporary name beside the target, flushed to the disk and renamed. A process that is
killed leaves at most a hidden ``.NAME.XXXXXXXX.tmp`` behind, never a target that is half there.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ._errors import InputError, TargetExistsError


def refuse_existing(target: Path, overwrite: bool, *, remedy: str = "--overwrite") -> None:
    """Raise unless ``target`` may be written.

    Raises:
        TargetExistsError: it exists and ``overwrite`` is false; the message names ``remedy``.
        InputError: the folder that is to hold it does not exist.
    """
    if os.path.lexists(target) and not overwrite:
        raise TargetExistsError(f"{target} exists already; choose another name or say {remedy}")
    if not target.absolute().parent.is_dir():
        raise InputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")


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
    temporary = _temporary_name(target)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {target}: {error.strerror or error}; check space and permissions") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.absolute().parent)


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files that processes which were killed have left in ``folder``."""
    for path in folder.glob(".*.????????.tmp"):
        path.unlink(missing_ok=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``target`` that takes its place when the block ends well.

    A folder that is there already is moved aside first and removed last, so that a failure at any point leaves the
    old one or the new one whole. When the block raises, the temporary folder is removed and ``target`` is as before.
    The block writes its files by `write_file`, which flushes them.

    Raises:
        InputError: the folder cannot be made there, or has no name of its own, as ``.`` and ``..``.
    """
    temporary = _temporary_name(target)
    try:
        temporary.mkdir()
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}; check space and permissions") from error
    try:
        yield temporary
        old = _temporary_name(target) if os.path.lexists(target) else None
        if old is not None:
            target.rename(old)
        try:
            temporary.rename(target)
        except BaseException:
            if old is not None:
                old.rename(target)
            raise
        _sync_folder(target.absolute().parent)
        if old is not None and old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        elif old is not None:
            old.unlink()
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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

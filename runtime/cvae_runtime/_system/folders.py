"""Folders that appear whole under their final name, and replace only what this project wrote."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._errors import CvaeError, TargetExistsError
from .access import access_of, give_access
from .atomic import cannot_write, refuse_name, refuse_special, temporary_name
from .durable import sync_folder, sync_folders
from .layout import Layout, check_replaceable, remove_owned
from .swap import swap_paths


def refuse_existing_folder(target: Path, layout: Layout, overwrite: bool, *, resume: bool | None = None) -> None:
    """Raise unless the folder ``target`` may be written, or gone on with.

    Args:
        target: the folder.
        layout: what may be replaced.
        overwrite: whether to replace it.
        resume: whether to go on with it, which replaces nothing; None where that is not offered.

    Raises:
        TargetExistsError: it exists and neither was asked for; or it is to be replaced, and is not a folder that this
            project wrote and nobody else put something into.
        InputError: the folder that is to hold it does not exist; or it is a pipe or a device.
    """
    refuse_special(target)
    if os.path.lexists(target) and not resume:
        check_replaceable(target, layout)  # before --overwrite is advised
    refuse_name(target, overwrite or bool(resume), "--overwrite" if resume is None else "--resume or --overwrite")


def make_folder(folder: Path) -> None:
    """Make a folder that may be there, and those above it; on the disk when this returns.

    Raises:
        InputError: it cannot be made.
    """
    try:
        for path in reversed([path for path in (folder, *folder.absolute().parents) if not path.exists()]):
            path.mkdir(exist_ok=True)
            sync_folder(path.absolute().parent)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def new_folder(target: Path, *, replaces: Layout | None = None) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``target`` that takes its place when the block ends well.

    A folder that is there already keeps its name until the new one has it: the two exchange their names, in one step on
    Linux, elsewhere by way of a third name. Then what this project wrote is removed from the old one. If others have put
    something there by then, the names are exchanged again, and nothing is removed. When the block raises, the temporary
    folder is removed and ``target`` is as before. The block writes its files by `write_file`, which flushes them; the
    folders are flushed here, before the new one gets its name, and the one that holds it after that.

    Args:
        target: the folder.
        replaces: what may be there when the block ends, to be replaced; nothing but an empty folder if not given. The
            new folder and its files have the modes and owners of those that they replace.

    Raises:
        InputError: the folder cannot be made there, which any `OSError` of the block is taken for, or has no name of
            its own, as ``.`` and ``..``.
        TargetExistsError: something is there that ``replaces`` does not describe.
    """
    refuse_special(target)
    temporary = temporary_name(target)
    made: os.stat_result | None = None
    try:
        old = None if replaces is None else access_of(target, stat.S_ISDIR)
        temporary.mkdir(0o777 if old is None else 0o700)
        made = temporary.stat()
        yield temporary
        if old is not None:
            give_access(temporary, old)
        sync_folders(temporary)
        if replaces is not None and os.path.lexists(target):
            _replace(temporary, target, replaces)
        else:
            _take(temporary, target)
            sync_folder(target.absolute().parent)
    except BaseException as error:
        if made is not None and _is(temporary, made):  # the old folder may have this name by now
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise cannot_write(target, error) from error
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


def _replace(temporary: Path, target: Path, layout: Layout) -> None:
    """Put a folder in the place of an old one of a layout, and remove that."""
    _check_once(target, layout)
    for path in temporary.rglob("*"):
        kind = stat.S_ISDIR if path.is_dir() else stat.S_ISREG
        if (old := access_of(target / path.relative_to(temporary), kind)) is not None:
            give_access(path, old)
    _swap(temporary, target)
    try:
        owns = check_replaceable(temporary, layout, target)  # where nobody finds it to put something there
    except BaseException:
        _swap(temporary, target)
        raise
    sync_folder(target.absolute().parent)
    remove_owned(temporary, owns)  # the new one has its place, whatever becomes of the old one


def _check_once(target: Path, layout: Layout) -> None:
    """Check one folder: another process may replace it meanwhile, and a part of both would look like others' work."""
    while True:
        before = target.lstat()
        try:
            check_replaceable(target, layout)
        except TargetExistsError:
            if _is(target, before):
                raise
        else:
            return


def _swap(one: Path, other: Path) -> None:
    """Let two folders change names."""
    if swap_paths(one, other):
        return
    aside = temporary_name(other)
    other.rename(aside)
    try:
        one.rename(other)
    except BaseException:
        aside.rename(other)
        raise
    aside.rename(one)


def _is(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), status)
    except OSError:
        return False

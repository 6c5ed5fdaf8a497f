"""Write folders atomically; replace only what this project wrote."""

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
    """Raise unless the folder ``target`` may be written or resumed.

    Args:
        target: the folder.
        layout: the layout that may be replaced.
        overwrite: whether to replace the folder.
        resume: whether to resume it, which replaces nothing; None if the command cannot resume.

    Raises:
        TargetExistsError: the folder exists and neither option is set; or, unless it is resumed, it has another layout
            or contains other files.
        InputError: its parent folder does not exist; or it is a pipe or a device.

    Examples:
        >>> try:
        ...     files.refuse_existing_folder(cvae.packaged_bundle(), bundle.BUNDLE_LAYOUT, overwrite=False)
        ... except cvae.TargetExistsError:
        ...     print("a bundle is here")
        a bundle is here
    """
    refuse_special(target)
    if os.path.lexists(target) and not resume:
        check_replaceable(target, layout)  # first, so that no error advises a useless --overwrite
    refuse_name(target, overwrite or bool(resume), "--overwrite" if resume is None else "--resume or --overwrite")


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, and flush them to the disk; the folder may exist.

    Raises:
        InputError: the folder cannot be created.

    Examples:
        >>> files.make_folder(Path("runs/today"))
        >>> Path("runs/today").is_dir()
        True
    """
    try:
        for path in reversed([path for path in (folder, *folder.absolute().parents) if not path.exists()]):
            path.mkdir(exist_ok=True)
            sync_folder(path.absolute().parent)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def new_folder(target: Path, *, replaces: Layout | None = None) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``target`` that is renamed to it when the block succeeds.

    To replace an existing folder, the two swap names: in one step on Linux, by way of a third name elsewhere. Then the
    files of this project are removed from the old folder. If it contains other files by then, the names are swapped
    back and nothing is removed.

    If the block raises, the temporary folder is removed and ``target`` does not change. The block must write its files
    with `write_file`, which flushes them. This function flushes the folders before the new one gets its name, and the
    parent folder after that.

    Args:
        target: the folder.
        replaces: layout of an existing folder that may be replaced; default: only an empty folder. The new folder and
            its files get the modes and owners of those that they replace.

    Raises:
        InputError: the folder cannot be created, or has no name of its own, such as ``.`` and ``..``; each `OSError`
            of the block becomes this error.
        TargetExistsError: the target is not a folder that ``replaces`` describes.

    Examples:
        >>> with files.new_folder(Path("results")) as folder:
        ...     files.write_file(folder / "a.txt", b"text")
        ...     print(Path("results").exists())
        False
        >>> Path("results/a.txt").exists()
        True
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
        if made is not None and _is(temporary, made):  # after a swap, the old folder has this name
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, CvaeError):
            raise cannot_write(target, error) from error
        raise


def _take(temporary: Path, target: Path) -> None:
    """Rename to a target that does not exist or is an empty folder."""
    if os.name == "nt":  # Windows does not rename to an existing path
        with contextlib.suppress(OSError):
            target.rmdir()
    try:
        temporary.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise TargetExistsError(f"{target} was made by another process meanwhile; choose another name") from error
        raise


def _replace(temporary: Path, target: Path, layout: Layout) -> None:
    """Replace a folder of a layout with a new one, and remove the old one."""
    _check_once(target, layout)
    for path in temporary.rglob("*"):
        kind = stat.S_ISDIR if path.is_dir() else stat.S_ISREG
        if (old := access_of(target / path.relative_to(temporary), kind)) is not None:
            give_access(path, old)
    _swap(temporary, target)
    try:
        owns = check_replaceable(temporary, layout, target)  # other programs do not write to the hidden name
    except BaseException:
        _swap(temporary, target)
        raise
    sync_folder(target.absolute().parent)
    remove_owned(temporary, owns)  # errors are ignored: the new folder is complete


def _check_once(target: Path, layout: Layout) -> None:
    """Check a folder; start over if another process replaces it meanwhile, since a mix of both would fail."""
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
    """Swap the names of two folders, by way of a third name if the system has no atomic swap."""
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

"""Distinguish the files that this project writes into a folder from other files.

A folder is replaced only if its description (a manifest, a configuration, settings) can be read, and each of its files
is named by the description or by the known layout.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .._errors import CvaeError, TargetExistsError

# Whether this project writes a path. Paths are relative to the folder, with slashes; those of folders end in one.
Owns = Callable[[str], bool]

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")
_SHOWN = 3  # other files that an error lists
_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of folder that this project writes.

    Attributes:
        what: name of the kind in errors, such as "a bundle".
        owns: reads a folder's description and returns its `Owns`. If the folder is of another kind, it raises
            `CvaeError`, `OSError`, or Python's errors for malformed values.

    Examples:
        >>> notes = files.Layout("a folder of notes", lambda folder: {"a.txt", "b.txt"}.__contains__)
        >>> with files.new_folder(Path("notes")) as folder:
        ...     files.write_file(folder / "a.txt", b"text")
        >>> files.check_replaceable(Path("notes"), notes)("b.txt")
        True
    """

    what: str
    owns: Callable[[Path], Owns]


def owns_names(names: Iterable[str]) -> Owns:
    """Make an `Owns` of files, given as paths with slashes, and their parent folders."""
    files = set(names)
    folders = {f"{path.rsplit('/', depth)[0]}/" for path in files for depth in range(1, path.count("/") + 1)}
    return (files | folders).__contains__


def check_replaceable(folder: Path, layout: Layout, name: Path | None = None) -> Owns:
    """Raise unless a folder is empty, or contains only files that this project writes.

    Args:
        folder: the folder.
        layout: its expected layout.
        name: name of the folder in errors; default: its path.

    Returns:
        A function that returns whether this project owns a path in the folder.

    Raises:
        TargetExistsError: it is not a folder, is of another kind, or contains other files.

    Examples:
        >>> files.write_file(Path("holiday.txt"), b"text")
        >>> try:
        ...     files.check_replaceable(Path("."), bundle.BUNDLE_LAYOUT)
        ... except cvae.TargetExistsError:
        ...     print("keep this folder")
        keep this folder
    """
    name = name or folder
    if folder.is_symlink():
        found = f"a link to {folder.readlink()}; name the link's target, or choose another name"
        raise TargetExistsError(f"{name}: expected {layout.what}, found {found}")
    if not folder.is_dir():
        raise TargetExistsError(f"{name}: expected {layout.what}, found a file; choose another name")
    try:
        if not any(folder.iterdir()):
            return owns_names(())
        owns = layout.owns(folder)
        strangers = sorted(path for path, owned in _walk(folder, owns) if not owned)
    except (CvaeError, OSError, *_MALFORMED) as error:
        reason = f": {error}" if isinstance(error, CvaeError) else ""
        raise TargetExistsError(
            f"{name}: expected {layout.what}, found another folder, which is not overwritten{reason}; "
            f"choose another name"
        ) from error
    if strangers:
        more = f" and {len(strangers) - _SHOWN:,} more" if len(strangers) > _SHOWN else ""
        raise TargetExistsError(
            f"{name}: expected {layout.what} and nothing else, found {', '.join(strangers[:_SHOWN])}{more}; "
            f"only what this project wrote is overwritten: move the rest elsewhere, or choose another name"
        )
    return owns


def remove_owned(folder: Path, owns: Owns) -> None:
    """Remove from a folder the files that this project owns, then the folder if it is empty."""
    for path, owned in _walk(folder, owns):
        if owned:
            with contextlib.suppress(OSError):  # files that cannot be removed stay, as do folders with new files
                if path.endswith("/"):
                    (folder / path).rmdir()
                else:
                    (folder / path).unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_temporary(folder: Path, owns: Owns) -> None:
    """Remove this project's temporary files from a folder; killed processes leave them.

    Examples:
        >>> Path(".a.txt.01234567.tmp").touch()  # of a process that was killed
        >>> files.remove_temporary(Path("."), {"a.txt"}.__contains__)
        >>> list(Path(".").iterdir())
        []
    """
    with contextlib.suppress(OSError):  # a temporary file that stays does no harm
        for path, owned in _walk(folder, owns):
            if owned and _TEMPORARY.fullmatch(path.rpartition("/")[2]):
                (folder / path).unlink()


def _walk(folder: Path, owns: Owns, below: str = "") -> Iterator[tuple[str, bool]]:
    """Yield each path in a folder and whether it is owned, a folder after its content; skip the content of others."""
    with os.scandir(folder / below) as entries:
        found = list(entries)
    for entry in found:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if owned := owns(f"{path}/"):
                yield from _walk(folder, owns, f"{path}/")
            yield f"{path}/", owned
        else:
            temporary = _TEMPORARY.fullmatch(entry.name)
            final = f"{below}{temporary[1]}" if temporary else path
            yield path, entry.is_file(follow_symlinks=False) and owns(final)

"""What this project writes into a folder, told from what others put there.

A folder is replaced only when its own description (a manifest, a configuration, settings) can be read, and nothing lies
in it that the description or the known layout does not name.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .._errors import CvaeError, TargetExistsError

# Whether a path is one that this project writes; paths count from the folder, have slashes, and end in one for folders.
Owns = Callable[[str], bool]

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")
_SHOWN = 3  # strangers that an error names
_OF_ANOTHER_FORM = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of folder that this project writes.

    Attributes:
        what: what errors call it, "a bundle".
        owns: reads a folder's description, and gives what is known to be written there; raises `CvaeError`, `OSError`,
            or what Python raises for values of another form, where the folder is not of this kind.
    """

    what: str
    owns: Callable[[Path], Owns]


def owns_names(names: Iterable[str]) -> Owns:
    """Own these files, given as paths with slashes, and the folders above them."""
    files = set(names)
    folders = {f"{path.rsplit('/', depth)[0]}/" for path in files for depth in range(1, path.count("/") + 1)}
    return (files | folders).__contains__


def check_replaceable(folder: Path, layout: Layout, name: Path | None = None) -> Owns:
    """Raise unless a folder is empty, or everything in it is what this project writes there.

    Args:
        folder: the folder.
        layout: what it may hold.
        name: what errors call it; the folder if not given.

    Returns:
        What this project owns in it.

    Raises:
        TargetExistsError: it is no folder, is of another kind, or others put something there.
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
    except (CvaeError, OSError, *_OF_ANOTHER_FORM) as error:
        raise TargetExistsError(
            f"{name}: expected {layout.what}, found another folder, which is not overwritten: "
            f"{error if isinstance(error, CvaeError | OSError) else repr(error)}; choose another name"
        ) from error
    if strangers:
        more = f" and {len(strangers) - _SHOWN:,} more" if len(strangers) > _SHOWN else ""
        raise TargetExistsError(
            f"{name}: expected {layout.what} and nothing else, found {', '.join(strangers[:_SHOWN])}{more}; "
            f"only what this project wrote is overwritten: move the rest elsewhere, or choose another name"
        )
    return owns


def remove_owned(folder: Path, owns: Owns) -> None:
    """Remove from a folder what this project owns, and the folder if nothing else is in it."""
    for path, owned in _walk(folder, owns):
        if owned:
            with contextlib.suppress(OSError):  # what cannot be removed stays, and so does what came meanwhile
                if path.endswith("/"):
                    (folder / path).rmdir()
                else:
                    (folder / path).unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_temporary(folder: Path, owns: Owns) -> None:
    """Remove the temporary files of this project that processes which were killed have left in a folder."""
    with contextlib.suppress(OSError):  # what cannot be removed is in nobody's way
        for path, owned in _walk(folder, owns):
            if owned and _TEMPORARY.fullmatch(path.rpartition("/")[2]):
                (folder / path).unlink()


def _walk(folder: Path, owns: Owns, below: str = "") -> Iterator[tuple[str, bool]]:
    """Every path in a folder and whether it is owned, a folder after what is in it; those of others are not entered."""
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

"""Find the images in a folder and its subfolders."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from .._errors import InputError
from .._system import printable_values
from .file_kind import IMAGE_FORMATS, file_kind

IMAGE_SUFFIXES = (
    *(".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Suffixes of files that count as images whatever they contain: a damaged one is an error.

Examples:
    >>> Path("cat.JPG").suffix.lower() in images.IMAGE_SUFFIXES
    True
"""

# Raw files begin as TIFF does; Pillow reads only their thumbnail.
_RAW_SUFFIXES = (".3fr", ".arw", ".cr2", ".dng", ".erf", ".iiq", ".nef", ".nrw", ".orf", ".pef", ".rw2", ".sr2", ".srw")

_NAMED = 3


@dataclasses.dataclass(frozen=True)
class FoundImages:
    """Content of a folder and its subfolders; all paths are relative, with slashes.

    Attributes:
        names: paths of the images, sorted.
        skipped: the reason why each other file is skipped, by its path; paths of hidden folders end in a slash.
        folders: paths of the subfolders, ending in a slash.
    """

    names: list[str] = dataclasses.field(default_factory=list)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    folders: list[str] = dataclasses.field(default_factory=list)


def find_images(folder: Path) -> FoundImages:
    """Find the images below a folder, by the files' first bytes or their suffix.

    Links are followed; a link to a folder above it is skipped.

    Raises:
        InputError: a folder cannot be listed.

    Examples:
        >>> cvae.show(cvae.load().generate(1)).save("digit.png")
        >>> _ = Path("notes.txt").write_text("a seven")
        >>> found = images.find_images(Path("."))
        >>> found.names, found.skipped
        (['digit.png'], {'notes.txt': 'text'})
    """
    found = FoundImages()
    _find(folder, "", frozenset(), found)
    found.names.sort()
    found.folders.sort()
    return found


def _find(folder: Path, prefix: str, above: frozenset[str], found: FoundImages) -> None:
    """Add the content of a folder, with the prefix before each name; ``above`` holds the folders above it."""
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder above it: following it would never end
        return
    if prefix:
        found.folders.append(prefix)
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}; check permissions") from error
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.name.startswith("."):
            found.skipped[f"{name}/" if entry.is_dir() else name] = "hidden"
        elif entry.is_dir():
            _find(folder / entry.name, f"{name}/", above | {real}, found)
        elif reason := _why_not(entry):
            found.skipped[name] = reason
        else:
            found.names.append(name)


def _why_not(entry: os.DirEntry[str]) -> str | None:
    """Reason to skip a file; None for an image."""
    name, path = entry.name.lower(), Path(entry.path)
    if name.endswith(IMAGE_SUFFIXES):
        return None  # reading a pipe or a broken link with this suffix is an error
    if not entry.is_file():
        return "no file" if path.exists() else "broken link"  # do not open pipes: that can block
    kind = "raw image of a camera" if name.endswith(_RAW_SUFFIXES) else file_kind(path)
    return None if kind in IMAGE_FORMATS else kind


def describe_skipped(skipped: Mapping[str, str]) -> str:
    """Describe in one line how many files were skipped, why, and the first few names of each kind.

    Examples:
        >>> images.describe_skipped({"notes.txt": "text", "letter.pdf": "PDF"})
        'skipped 2 files: 1 PDF (letter.pdf), 1 text (notes.txt)'
    """
    names: dict[str, list[str]] = {}
    for name in sorted(skipped):
        names.setdefault(skipped[name], []).append(name)
    kinds = []
    for reason, those in sorted(names.items(), key=lambda item: (-len(item[1]), item[0])):
        more = ["..."] if len(those) > _NAMED else []
        kinds.append(f"{len(those):,} {reason} ({', '.join([*printable_values(those[:_NAMED]), *more])})")
    return f"skipped {len(skipped):,} {'file' if len(skipped) == 1 else 'files'}: {', '.join(kinds)}"


def no_images_in(folder: Path, skipped: Mapping[str, str]) -> InputError:
    """Error for a folder without images."""
    beside = f"; {describe_skipped(skipped)}" if skipped else ""
    return InputError(f"{folder}: expected images ({', '.join(IMAGE_FORMATS)}) in the folder, found none{beside}")

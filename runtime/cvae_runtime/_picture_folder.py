"""The pictures that lie below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from ._errors import InputError

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def find_pictures(folder: Path, prefix: str = "") -> list[str]:
    """Find the pictures below a folder by their names, sorted by their paths in it.

    Hidden files and folders are left out. Links are followed, but not in circles.

    Args:
        folder: where to look.
        prefix: what to put before each path.

    Returns:
        Paths with slashes.

    Raises:
        InputError: a folder cannot be listed.
    """
    return sorted(_find(folder, prefix, frozenset()))


def _find(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[str]:
    """The paths of pictures below a folder, each after the prefix; ``above`` are the folders that it lies in."""
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that it lies in: there is no end to it
        return
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}; check permissions") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _find(folder / entry.name, f"{prefix}{entry.name}/", above | {real})
        # A link that leads nowhere is a picture that cannot be read; a pipe would be waited for.
        elif entry.name.lower().endswith(PICTURE_SUFFIXES) and (entry.is_file() or entry.is_symlink()):
            yield f"{prefix}{entry.name}"

"""A folder of pictures: which files they are, and which of them are for testing."""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvae_runtime import InputError

from ._encoded import Encoded, EncodedPart
from ._options import DataOptions
from ._parts import Parts, own_parts, split_parts

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def picture_folder(path: Path, options: DataOptions, quiet: bool) -> Parts | None:
    """The pictures below a folder, by their paths in it: its ``train/`` and ``test/``, or some of all held out.

    Raises:
        InputError: a folder cannot be listed, ``test/`` holds no pictures, or all pictures together are fewer than two.
    """
    if not path.is_dir():
        return None

    def part(names: Sequence[str]) -> EncodedPart:
        return EncodedPart(_Files(path, names), options, quiet)

    if (path / "train").is_dir() and (path / "test").is_dir():
        train, test = (sorted(_find(path / name, f"{name}/")) for name in ("train", "test"))
        if not test:
            raise InputError(f"{path / 'test'}: expected pictures ({', '.join(SUFFIXES)}), found none")
        return own_parts(part(train), part(test), options, path)
    if not (names := sorted(_find(path, ""))):
        return None
    return split_parts(names, options, path, lambda chosen: part(list(itertools.compress(names, chosen))))


@dataclasses.dataclass(frozen=True)
class _Files:
    """Pictures by their names in a folder; a path is made when it is needed: names alone may be a million."""

    folder: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Encoded]:
        return ((name, self.folder / name) for name in self.names)


def _find(folder: Path, prefix: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
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
        elif entry.name.lower().endswith(SUFFIXES) and (entry.is_file() or entry.is_symlink()):
            yield f"{prefix}{entry.name}"

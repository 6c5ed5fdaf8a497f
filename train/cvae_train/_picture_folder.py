"""A folder of pictures: which of them are for testing."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvae_runtime import PICTURE_SUFFIXES, InputError, find_pictures

from ._encoded import Encoded, EncodedPart
from ._options import DataOptions
from ._parts import Parts, own_parts, split_parts


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
        train, test = (find_pictures(path / name, f"{name}/") for name in ("train", "test"))
        if not test:
            raise InputError(f"{path / 'test'}: expected pictures ({', '.join(PICTURE_SUFFIXES)}), found none")
        return own_parts(part(train), part(test), options, path)
    if not (names := find_pictures(path)):
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

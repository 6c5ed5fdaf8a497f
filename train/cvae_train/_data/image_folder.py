"""A folder of pictures: which of them are for training, for testing, for validation."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cvae_runtime import InputError
from cvae_runtime.images import PICTURE_FORMATS, describe_passed_over, find_pictures

from .encoded_images import Encoded, EncodedPart
from .options import DataOptions
from .part_names import PartName, held_back, is_part_name, part_of
from .splits import Source, own_parts, split_parts

_IN_NO_PART = "outside of these"


def picture_folder(path: Path, options: DataOptions, quiet: bool, _inside: Mapping[str, str]) -> Source | None:
    """The pictures below a folder, by their paths in it: those of its parts, or some of all held out.

    Raises:
        InputError: a folder cannot be listed, a part for testing or validation holds no pictures, or lies beside
            pictures of which none are said to be for training, or all pictures together are fewer than two.
    """
    if not path.is_dir():
        return None
    found = find_pictures(path)

    def part(names: Sequence[str]) -> EncodedPart:
        return EncodedPart(_Files(path, names), options, quiet)

    folders = parts_of(found.folders, found.names)
    if folders:
        names: dict[PartName, list[str]] = {name: [] for name in folders.values()}
        passed_over = dict(found.passed_over)
        for picture in found.names:
            folder = next((above for above in _above(picture) if above in folders), None)
            if folder is None:
                passed_over[picture] = _IN_NO_PART
            else:
                names[folders[folder]].append(picture)
        called = {name: [folder for folder in folders if folders[folder] == name] for name in names}
        for name, pictures in names.items():
            if name != "train" and not pictures:
                raise InputError(
                    f"{path / called[name][0]}: expected pictures ({', '.join(PICTURE_FORMATS)}), found none"
                )
        parts = {name: part(pictures) for name, pictures in names.items()}
        return own_parts(parts, options, path, called, _notes(passed_over))
    if not found.names:
        return None
    alone = [folder for folder in _pictured(found.names) if is_part_name(folder.split("/")[-2])]
    for folder in alone:
        if folder.count("/") == 1 and part_of(folder) != "train":
            raise InputError(
                f"{path}: expected a folder train/ beside {folder}, whose name holds it back from training, found none; "
                f"move the pictures to train on into {path / 'train'}, or give {folder} another name"
            )
    said = [f"{folder} is read like any other folder, since none beside it makes it a part" for folder in alone]
    return split_parts(
        found.names,
        options,
        path,
        lambda chosen: part(list(itertools.compress(found.names, chosen))),
        [*said, *_notes(found.passed_over)],
    )


def parts_of(folders: Sequence[str], names: Iterable[str]) -> dict[str, PartName]:
    """Which folders are parts.

    Args:
        folders: their paths, which end in a slash.
        names: paths of pictures.

    Returns:
        The outermost folders that are parts, see `held_back`, at any depth; of folders beside each other none are
        where none of them holds a picture.
    """
    inside: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        above, _, name = folder[:-1].rpartition("/")
        inside[f"{above}/" if above else ""].append(name)
    pictured = set(_pictured(names))

    def assign(above: str) -> Iterator[tuple[str, PartName]]:
        parts = {f"{above}{name}/": part for name, part in held_back(inside[above]).items()}
        if pictured.isdisjoint(parts):
            for name in inside[above]:
                yield from assign(f"{above}{name}/")
        else:
            yield from parts.items()

    return dict(assign(""))


def _pictured(names: Iterable[str]) -> list[str]:
    """The folders that hold pictures, at any depth."""
    return sorted({folder for name in names for folder in _above(name)})


def _above(name: str) -> Iterator[str]:
    """The folders that a path lies in, the outermost first: ``a/``, ``a/b/`` of ``a/b/c.png``."""
    return (name[: place + 1] for place, character in enumerate(name) if character == "/")


def _notes(passed_over: Mapping[str, str]) -> list[str]:
    return [describe_passed_over(passed_over)] if passed_over else []


@dataclasses.dataclass(frozen=True)
class _Files:
    """Pictures by their names in a folder; a path is made when it is needed: names alone may be a million."""

    folder: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Encoded]:
        return ((name, self.folder / name) for name in self.names)

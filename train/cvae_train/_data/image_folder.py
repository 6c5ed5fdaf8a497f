"""Folders of images, and how they are divided into training, test and validation sets."""

import dataclasses
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cvae_runtime import InputError
from cvae_runtime.images import IMAGE_FORMATS, describe_skipped, find_images

from .encoded_images import Encoded, EncodedSplit
from .label_table import label_table, read_label_table
from .options import DataOptions
from .split_names import SplitName, names_only_a_split, split_named_by, splits_of_siblings
from .splits import Source, source_with_holdout, source_with_splits

_IN_NO_SPLIT = "outside of these"


def image_folder(
    path: Path, options: DataOptions, quiet: bool, inside: Mapping[str, str], labels: bool
) -> Source | None:
    """Find the images below a folder: the splits that its subfolders name, or one set to divide.

    Raises:
        InputError: a folder cannot be listed, a test or validation folder holds no images, or the top folder has one
            but no training folder beside it. Also if there are fewer than two images, or if the table of labels is
            wrong, see `read_label_table`.
    """
    if not path.is_dir():
        return None
    found = find_images(path)
    table = label_table(path, inside) if labels and found.names else None
    skipped = {name: why for name, why in found.skipped.items() if table is None or name != table.name}
    folders = splits_of_folders(found.folders, found.names)
    inner = [name.removeprefix(folder) for folder in folders or [""] for name in found.names if name.startswith(folder)]
    classes = class_folders(inner)
    label_of: Callable[[str], str | None] = _no_label
    if table is not None:
        used = (name for name in found.names if not folders or _part(name, folders))
        label_of = read_label_table(table, found.names, used).get
    elif classes:
        label_of = _class_folder(folders, _level_of_classes(inner))

    def split(names: Sequence[str]) -> EncodedSplit:
        return EncodedSplit(_Files(path, names, label_of), options, quiet)

    if folders:
        names: dict[SplitName, list[str]] = {name: [] for name in folders.values()}
        for picture in found.names:
            if folder := _part(picture, folders):
                names[folders[folder]].append(picture)
            else:
                skipped[picture] = _IN_NO_SPLIT
        called = {name: [folder for folder in folders if folders[folder] == name] for name in names}
        for name, pictures in names.items():
            if name != "train" and not pictures:
                raise InputError(f"{path / called[name][0]}: expected images ({', '.join(IMAGE_FORMATS)}), found none")
        splits = {name: split(pictures) for name, pictures in names.items()}
        source = source_with_splits(splits, options, path, called, _notes(skipped))
        return dataclasses.replace(source, classes=classes, labelled_by_folders=table is None)
    if not found.names:
        return None
    alone = [folder for folder in _folders_with_images(found.names) if names_only_a_split(folder.split("/")[-2])]
    for folder in alone:
        if folder.count("/") == 1 and split_named_by(folder) != "train":
            raise InputError(
                f"{path}: expected a folder train/ beside {folder}, whose name excludes it from training, found none; "
                f"move the training images into {path / 'train'}, or rename {folder}"
            )
    unpaired = [
        f"{folder} is read like any other folder, since no folder beside it completes a split" for folder in alone
    ]
    source = source_with_holdout(
        found.names,
        options,
        path,
        lambda chosen: split(list(itertools.compress(found.names, chosen))),
        [*unpaired, *_notes(skipped)],
    )
    return dataclasses.replace(source, classes=classes, labelled_by_folders=table is None)


def class_folders(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Find the class folders that hold images, given the images' paths in their parts; see `Source.classes`."""
    level = _level_of_classes(names)
    folders = [name.split("/")[:-1] for name in names]
    if any(len(folder) == level for folder in folders):
        return ()
    return tuple(sorted(Counter(folder[level] for folder in folders).items()))


def _level_of_classes(names: Sequence[str]) -> int:
    """Number of folders that all paths begin with."""
    folders = (name.split("/")[:-1] for name in names)
    return sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))


def _class_folder(parts: Container[str], level: int) -> Callable[[str], str]:
    return lambda name: sys.intern(name.removeprefix(_part(name, parts)).split("/")[level])


def splits_of_folders(folders: Sequence[str], names: Iterable[str]) -> dict[str, SplitName]:
    """Find the folders that are splits.

    Args:
        folders: paths of the folders, each with a slash at the end.
        names: paths of the images.

    Returns:
        The outermost folders that are splits, at any depth; see `splits_of_siblings`. Siblings without a single image
        are not splits.
    """
    inside: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        above, _, name = folder[:-1].rpartition("/")
        inside[f"{above}/" if above else ""].append(name)
    with_images = set(_folders_with_images(names))

    def assign(above: str) -> Iterator[tuple[str, SplitName]]:
        splits = {f"{above}{name}/": split for name, split in splits_of_siblings(inside[above]).items()}
        if with_images.isdisjoint(splits):
            for name in inside[above]:
                yield from assign(f"{above}{name}/")
        else:
            yield from splits.items()

    return dict(assign(""))


def _folders_with_images(names: Iterable[str]) -> list[str]:
    """Folders that hold images at any depth, sorted."""
    return sorted({folder for name in names for folder in _above(name)})


def _above(name: str) -> Iterator[str]:
    """Parent folders of a path, the outermost first: ``a/``, ``a/b/`` for ``a/b/c.png``."""
    return (name[: place + 1] for place, character in enumerate(name) if character == "/")


def _part(name: str, parts: Container[str]) -> str:
    """Folder among ``parts`` that holds an image; empty if none does."""
    return next((above for above in _above(name) if above in parts), "")


def _no_label(_name: str) -> None:
    return None


def _notes(skipped: Mapping[str, str]) -> list[str]:
    return [describe_skipped(skipped)] if skipped else []


@dataclasses.dataclass(frozen=True)
class _Files:
    """Image files of a folder, by name; paths and labels are made on demand, since there may be a million names."""

    folder: Path
    names: Sequence[str]
    label_of: Callable[[str], str | None]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Encoded]:
        return (Encoded(name, self.folder / name, self.label_of(name)) for name in self.names)

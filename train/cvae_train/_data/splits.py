"""`Source` and `Split`: the training, test and validation images of a source, read on demand."""

import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import (
    IMAGE_SUFFIXES,
    as_images,
    describe_skipped,
    evenly_spaced,
    file_kind,
    fit_image,
    shape_of_images,
    spans,
)

from .holdout import held_out
from .options import TEST_FRACTION, DataOptions, Shape
from .pixel_store import PixelStore
from .split_names import SplitName

UNREADABLE_LISTED = 10
FOLDER, HIDDEN = "folder", "hidden"
_LISTED = 3  # names

_MEANINGS: Mapping[SplitName, str] = {
    "train": "is trained on",
    "test": "is the test set",
    "validation": "is the validation set",
}

_log = logging.getLogger("cvae_train")


class Split(Protocol):
    """The training, test or validation images of a source."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Name and error of each image that could not be read so far."""

    def __len__(self) -> int:
        """Number of images, including unreadable ones."""

    def shapes(self) -> Counter[Shape]:
        """Count the readable images by shape (H, W, C)."""

    def images(self, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the readable images as they are, uint8 (H, W, C) each: all, or at most ``most``, evenly spaced."""

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """Read the readable images, converted to one shape: uint8 (N, H, W, C)."""

    def labels(self) -> list[str] | None:
        """Return the class of each image that `read` returned, in its order; None if images have no class."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A source of images.

    Attributes:
        train, test: the training and the test set.
        validation: the validation set; None if the source has none.
        notes: lines about how the sets were chosen and which files are skipped.
        classes: name of each class folder and its number of images, over all parts. Class folders are siblings that
            together hold all images of a part, two or more. Empty if there are none.
        labelled_by_folders: whether images have the names of class folders as labels.
    """

    train: Split
    test: Split
    validation: Split | None = None
    notes: Sequence[str] = ()
    classes: tuple[tuple[str, int], ...] = ()
    labelled_by_folders: bool = False

    @property
    def splits(self) -> list[Split]:
        """The training, test and, if any, validation set."""
        return [split for split in (self.train, self.test, self.validation) if split is not None]


def source_with_splits(
    splits: Mapping[SplitName, Split],
    options: DataOptions,
    path: str | Path,
    names: Mapping[SplitName, Sequence[str]] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> Source:
    """Make a source that has its own test or validation set.

    Args:
        splits: the training set, and a test or validation set or both; without a test set, the validation set is used
            for testing.
        options: how to read the images.
        path: name of the source in errors.
        names: folders, files or arrays of each split, for the notes.
        notes: further notes.

    Raises:
        InputError: the options have a test fraction.
    """
    if options.test_fraction is not None:
        raise InputError(f"{path}: has its own test set; leave --test-fraction out")
    uses = [f"{few(names[split])} {_MEANINGS[split]}" for split in _MEANINGS if split in names]
    if "test" in splits:
        return Source(splits["train"], splits["test"], splits.get("validation"), [*_line(uses), *notes])
    if "validation" in names:
        uses[-1] = f"{few(names['validation'])} is the test set, since there is no other"
    return Source(splits["train"], splits["validation"], notes=[*_line(uses), *notes])


def _line(uses: Sequence[str]) -> list[str]:
    return [", ".join(uses)] if uses else []


def few(names: Sequence[str]) -> str:
    """Join the first names, and say how many more there are."""
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")


def source_with_holdout(
    keys: Sequence[str],
    options: DataOptions,
    path: Path,
    choose: Callable[[NDArray[np.bool_]], Split],
    notes: Sequence[str] = (),
) -> Source:
    """Make a source that has no test set, by holding out some of its images.

    Args:
        keys: names of the images, see `held_out`.
        options: how to read the images, and the fraction to hold out.
        path: name of the source in errors.
        choose: makes a split of the images for which an array bool (len(keys),) is true.
        notes: further notes.

    Raises:
        InputError: there are fewer than two images.
    """
    fraction = TEST_FRACTION if options.test_fraction is None else options.test_fraction
    try:
        test = held_out(keys, fraction)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return Source(choose(~test), choose(test), notes=[f"a fraction of {fraction:g} is held out for testing", *notes])


def list_folder(folder: Path) -> dict[str, str]:
    """List the entries of a folder: their names, sorted, with the kind of each; see `file_kind`.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}; check its permissions") from error
    return {f"{entry.name}/" if entry.is_dir() else entry.name: _kind_of(entry) for entry in entries}


def _kind_of(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return HIDDEN
    if entry.is_dir():
        return FOLDER
    if entry.name.lower().endswith(IMAGE_SUFFIXES):
        return "picture"
    return file_kind(Path(entry.path)) if entry.is_file() else "no file"


def describe_unused(inside: Mapping[str, str], used: Sequence[str]) -> list[str]:
    """Return a line about the entries of a folder that are not read; see `list_folder`."""
    others = {name: kind for name, kind in inside.items() if name not in used}
    return [describe_skipped(others)] if others else []


def report_unreadable(splits: Sequence[Split], skip: bool, source: str) -> None:
    """Raise an error for the images that could not be read, or log that they are left out.

    Raises:
        InputError: an image could not be read and ``skip`` is false, or no image could be read.
    """
    reasons = [reason for split in splits for reason in split.unreadable.values()]
    if not reasons:
        return
    total = sum(map(len, splits))
    lines = [f"  {reason}" for reason in reasons[:UNREADABLE_LISTED]]
    if len(reasons) > UNREADABLE_LISTED:
        lines.append(f"  and {len(reasons) - UNREADABLE_LISTED:,} more")
    listed = "\n".join(lines)
    problem = f"{source}: {len(reasons):,} of {total:,} images cannot be read"
    if not skip or len(reasons) == total:
        raise InputError(f"{problem}; fix or remove them, or pass --skip-bad to train without them:\n{listed}")
    _log.warning("%s and are left out:\n%s", problem, listed)


class ArraySplit:
    """A split whose images are in an array, which may be memory-mapped.

    Args:
        array: images, as for `as_images`.
        name: name of the array in errors.
        chosen: bool (N,), true for the images of the split; default: all.
        classes: name of the class of each image in the array; None without classes.

    Raises:
        InputError: the array does not hold images.
    """

    unreadable: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        array: NDArray[Any],
        name: str,
        chosen: NDArray[np.bool_] | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        self._array, self._name, self._classes = array, name, classes
        self._shape = shape_of_images(array, name)
        self._rows = None if chosen is None else np.flatnonzero(chosen)

    def __len__(self) -> int:
        return len(self._array if self._rows is None else self._rows)

    def shapes(self) -> Counter[Shape]:
        """Count the images by shape (H, W, C)."""
        return Counter({self._shape: len(self)})

    def images(self, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the images as they are, uint8 (H, W, C) each: all, or at most ``most``, evenly spaced."""
        rows = np.arange(len(self._array)) if self._rows is None else self._rows
        rows = rows if most is None else rows[evenly_spaced(len(rows), most)]
        for span in spans(len(rows), self._array[0].nbytes):
            yield from as_images(self._array[rows[span]], self._name)

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """Read the images, converted to one shape: uint8 (N, H, W, C); reads a mapped array one span at a time.

        Raises:
            InputError: values are out of range, or the disk is full.
        """
        array = self._array
        if array.dtype == np.uint8 or not isinstance(array, np.memmap):
            array = as_images(array, self._name)
            if self._rows is None and self._shape == shape:
                return store.keep(array)
        rows = np.arange(len(array)) if self._rows is None else self._rows
        pixels = store.new(len(rows), shape)
        for span in spans(len(rows), array[0].nbytes):
            images = as_images(array[rows[span]], self._name)
            if self._shape == shape:
                pixels[span] = images
            else:
                for index, image in zip(range(span.start, span.stop), images, strict=True):
                    pixels[index] = fit_image(image, shape)
        return pixels

    def labels(self) -> list[str] | None:
        """Return the class of each image; None without classes."""
        if self._classes is None:
            return None
        return list(self._classes) if self._rows is None else [self._classes[row] for row in self._rows.tolist()]

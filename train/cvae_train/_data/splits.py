"""What every source of images gives: a training and a test part, each read when it is asked for."""

import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import (
    PICTURE_SUFFIXES,
    as_images,
    describe_passed_over,
    file_kind,
    fit_picture,
    picture_shape,
    spans,
)

from .holdout import held_out
from .options import TEST_FRACTION, DataOptions, Shape
from .part_names import PartName
from .pixel_store import PixelStore

BAD_NAMED = 10
FOLDER, HIDDEN = "folder", "hidden"
_NAMED = 3  # folders, files or arrays of a part

_MEANINGS: Mapping[PartName, str] = {
    "train": "is trained on",
    "test": "is the test part",
    "validation": "is the validation part",
}

_log = logging.getLogger("cvae_train")


class Part(Protocol):
    """The training or the test images of a source."""

    @property
    def bad(self) -> Mapping[str, str]:
        """What is wrong with each picture that could not be read so far, by its name."""

    def __len__(self) -> int:
        """How many pictures there are, bad ones included."""

    def shapes(self) -> Counter[Shape]:
        """How many pictures have which shape (H, W, C); bad ones are left out."""

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """All pictures but bad ones, brought into a shape: uint8 (N, H, W, C)."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where images come from.

    Attributes:
        train, test: its parts.
        validation: images that are neither, to choose settings by; None where the source names none.
        notes: lines on how the parts were chosen, and on what is not read.
    """

    train: Part
    test: Part
    validation: Part | None = None
    notes: Sequence[str] = ()

    @property
    def parts(self) -> list[Part]:
        """All of them."""
        return [part for part in (self.train, self.test, self.validation) if part is not None]


def own_parts(
    parts: Mapping[PartName, Part],
    options: DataOptions,
    path: str | Path,
    names: Mapping[PartName, Sequence[str]] = MappingProxyType({}),
    notes: Sequence[str] = (),
) -> Source:
    """A source that says itself which pictures are for testing.

    Args:
        parts: for training, and for testing or validation; without a test part the validation part is the test part.
        options: see `Source`.
        path: what errors call the source.
        names: what is said to be each part: folders, files or arrays.
        notes: further ones.

    Raises:
        InputError: the options ask for some to be held out.
    """
    if options.test_fraction is not None:
        raise InputError(f"{path}: has a test part of its own; leave --test-fraction out")
    said = [f"{_few(names[part])} {_MEANINGS[part]}" for part in _MEANINGS if part in names]
    if "test" in parts:
        return Source(parts["train"], parts["test"], parts.get("validation"), [*_line(said), *notes])
    if "validation" in names:
        said[-1] = f"{_few(names['validation'])} is the test part, since there is no other"
    return Source(parts["train"], parts["validation"], notes=[*_line(said), *notes])


def _line(said: Sequence[str]) -> list[str]:
    return [", ".join(said)] if said else []


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def split_parts(
    keys: Sequence[str],
    options: DataOptions,
    path: Path,
    choose: Callable[[NDArray[np.bool_]], Part],
    notes: Sequence[str] = (),
) -> Source:
    """Hold out some pictures of a source that does not say which are for testing.

    Args:
        keys: their names, see `held_out`.
        options: say how many.
        path: what errors call the source.
        choose: makes a part of the pictures for which an array bool (len(keys),) is true.
        notes: see `Source`.

    Raises:
        InputError: there are fewer than two.
    """
    fraction = TEST_FRACTION if options.test_fraction is None else options.test_fraction
    try:
        test = held_out(keys, fraction)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return Source(choose(~test), choose(test), notes=[f"{fraction:g} of all is held out for testing", *notes])


def look_into(folder: Path) -> dict[str, str]:
    """What lies in a folder, not below it: names, in order, and what each is, see `file_kind`.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}; check permissions") from error
    return {f"{entry.name}/" if entry.is_dir() else entry.name: _kind_of(entry) for entry in entries}


def _kind_of(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return HIDDEN
    if entry.is_dir():
        return FOLDER
    if entry.name.lower().endswith(PICTURE_SUFFIXES):
        return "picture"
    return file_kind(Path(entry.path)) if entry.is_file() else "no file"


def notes_on_others(inside: Mapping[str, str], used: Sequence[str]) -> list[str]:
    """A line on what lies in a folder, see `look_into`, beside the files that are read."""
    others = {name: kind for name, kind in inside.items() if name not in used}
    return [describe_passed_over(others)] if others else []


def settle_bad(parts: Sequence[Part], skip: bool, source: str) -> None:
    """Refuse the pictures that could not be read, or say that they are left out.

    Raises:
        InputError: there are some and ``skip`` is false, or there are no others.
    """
    reasons = [reason for part in parts for reason in part.bad.values()]
    if not reasons:
        return
    total = sum(map(len, parts))
    lines = [f"  {reason}" for reason in reasons[:BAD_NAMED]]
    if len(reasons) > BAD_NAMED:
        lines.append(f"  and {len(reasons) - BAD_NAMED:,} more")
    listed = "\n".join(lines)
    problem = f"{source}: {len(reasons):,} of {total:,} pictures cannot be read"
    if not skip or len(reasons) == total:
        raise InputError(f"{problem}; mend or remove them, or say --skip-bad to train without them:\n{listed}")
    _log.warning("%s and are left out:\n%s", problem, listed)


class ArrayPart:
    """Pictures of an array, in memory or mapped.

    Args:
        array: uint8 or float, as `as_images` takes it.
        name: what errors call it.
        chosen: bool (N,): true for the pictures that belong to the part; all do if not given.

    Raises:
        InputError: the array does not hold pictures.
    """

    bad: Mapping[str, str] = MappingProxyType({})

    def __init__(self, array: NDArray[Any], name: str, chosen: NDArray[np.bool_] | None = None) -> None:
        self._array, self._name = array, name
        self._shape = picture_shape(array, name)
        self._rows = None if chosen is None else np.flatnonzero(chosen)

    def __len__(self) -> int:
        return len(self._array if self._rows is None else self._rows)

    def shapes(self) -> Counter[Shape]:
        """How many pictures have which shape (H, W, C)."""
        return Counter({self._shape: len(self)})

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """All pictures, brought into a shape: uint8 (N, H, W, C); a mapped array is read a span at a time.

        Raises:
            InputError: values out of range, or no room on the disk.
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
                    pixels[index] = fit_picture(image, shape)
        return pixels

"""`Labels`: the class of each image of a data set."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

from .splits import few

_NUMBER = re.compile(r"-?[0-9]{1,18}")  # of at most 64 bits


@dataclasses.dataclass(frozen=True)
class Labels:
    """Class labels of the images of a `Dataset`, in the order of the images.

    Attributes:
        names: names of the classes: numbers first, by value, then the others by their characters.
        train: index in ``names`` of the class of each training image, int64 (N,).
        test: likewise of each test image, int64 (M,).
        validation: likewise of each validation image, int64 (V,); None without a validation set.

    Raises:
        InputError: the indices are not one-dimensional integers from 0 to below the number of names.

    Examples:
        >>> labels = cvae_train.Labels.of(train=["cat", "dog", "cat"], test=["dog"])
        >>> labels.names, labels.train.tolist(), labels.test.tolist()
        (('cat', 'dog'), [0, 1, 0], [1])
    """

    names: tuple[str, ...]
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    validation: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for part in ("train", "test", "validation"):
            if (given := getattr(self, part)) is not None:
                object.__setattr__(self, part, _indices(given, len(self.names), part))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of names and classes, in hex."""
        digest = hashlib.sha256(repr(self.names).encode())
        for part in (self.train, self.test, self.validation):
            digest.update(b"-" if part is None else part.astype("<i8").tobytes())
        return digest.hexdigest()

    @classmethod
    def of(
        cls, train: Sequence[str], test: Sequence[str], validation: Sequence[str] | None = None, source: str = "labels"
    ) -> "Labels":
        """Number the classes of images.

        Args:
            train, test, validation: name of the class of each image.
            source: name of the data in errors.

        Raises:
            InputError: a name is empty, or a class has no training images.

        Examples:
            >>> cvae_train.Labels.of(train=["10", "9", "9"], test=["9"]).names
            ('9', '10')
        """
        found = set(train)
        empty = sum(part.count("") for part in (train, test, validation or ()))
        if empty:
            raise InputError(f"{source}: expected the class of every image, found {empty:,} empty names; fill them in")
        if absent := without_training(train, test, validation):
            kinds = "1 class" if len(absent) == 1 else f"{len(absent):,} classes"
            raise InputError(
                f"{source}: expected training images of every class, found none of {kinds} ({few(absent)}); add "
                f"some, or remove all images of {'this class' if len(absent) == 1 else 'these classes'}"
            )
        names = in_order(found)
        numbers = {name: number for number, name in enumerate(names)}

        def numbered(part: Sequence[str]) -> NDArray[np.int64]:
            return np.fromiter(map(numbers.__getitem__, part), np.int64, len(part))

        return cls(tuple(names), numbered(train), numbered(test), None if validation is None else numbered(validation))


def without_training(train: Iterable[str], *others: Iterable[str] | None) -> list[str]:
    """Classes that other images have, but no training image; in the order of `in_order`."""
    return in_order(set().union(*(part for part in others if part is not None)).difference(train))


def _indices(given: Any, count: int, part: str) -> NDArray[np.int64]:
    indices = np.asarray(given)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise InputError(
            f"{part} labels: expected integers of shape (N,), found {indices.dtype} of shape {indices.shape}; "
            f"Labels.of numbers names"
        )
    if len(indices) and not 0 <= indices.min() <= indices.max() < count:
        raise InputError(
            f"{part} labels: expected indices of the {count:,} names, 0 to {count - 1}, found {indices.min()} to "
            f"{indices.max()}; number the classes from 0"
        )
    return indices.astype(np.int64)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of classes: numbers first, by value, then the others by their characters."""
    return sorted(names, key=_place)


def _place(name: str) -> tuple[bool, int, str]:
    number = _NUMBER.fullmatch(name)
    return number is None, int(name) if number else 0, name


def check_labels(values: NDArray[Any], name: str, images: int) -> NDArray[Any]:
    """Check an array of labels that belongs to an array of images.

    Args:
        values: the labels.
        name: name of the array in errors.
        images: number of images.

    Returns:
        The labels: integers or strings, (images,).

    Raises:
        InputError: another type, shape or length.
    """
    if values.ndim != 1:
        advice = "join its columns to one class"
        if values.ndim == 2:
            advice = "use array.ravel()" if values.shape[1] == 1 else "for one-hot labels use array.argmax(axis=1)"
        raise InputError(f"{name}: expected labels of shape ({images},), found shape {values.shape}; {advice}")
    if values.dtype.kind not in "iuUS":
        raise InputError(
            f"{name}: expected integers or strings as labels, found {values.dtype}; convert them, or rename the array "
            f"to leave the classes out"
        )
    if len(values) != images:
        raise InputError(
            f"{name}: expected {images:,} labels, one for each image, found {len(values):,}; use the labels of the same "
            f"images"
        )
    return values


def names_of(values: NDArray[Any], name: str) -> list[str]:
    """Return labels as names of classes.

    Args:
        values: integers or strings, (N,).
        name: name of the array in errors.

    Raises:
        InputError: bytes are not UTF-8.
    """
    distinct, places = np.unique(values, return_inverse=True)
    try:
        names = [value.decode() if isinstance(value, bytes) else str(value) for value in distinct.tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: expected labels in UTF-8, found others: {error}; convert them") from error
    return [names[place] for place in places.tolist()]

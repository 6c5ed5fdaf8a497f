"""Where images come from: what DATA may be. A new kind is a function here, or in a module of its own, and in `_KINDS`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cvae_runtime import PICTURE_SUFFIXES, InputError, picture_shape, read_idx, read_npy, read_npz

from ._mnist import load_mnist
from ._options import DataOptions
from ._parts import ArrayPart, Parts, own_parts, split_parts
from ._picture_folder import picture_folder
from ._tfrecord import tfrecords

EMBEDDED = "mnist"

_IDX_NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def open_source(source: str | Path, options: DataOptions, quiet: bool) -> tuple[str, Parts]:
    """Find out what a source is, without reading its pictures.

    Returns:
        What `Dataset.source` calls it, and its training and test part.

    Raises:
        InputError: it is not there, of no known kind, or damaged.
    """
    if source == EMBEDDED:
        mnist = load_mnist()
        return EMBEDDED, own_parts(*_named(EMBEDDED, mnist.train, mnist.test), options, EMBEDDED)
    path = Path(source)
    for kind in _KINDS:
        if (parts := kind(path, options, quiet)) is not None:
            return str(path.resolve()), parts
    found = (
        "a folder without any of them" if path.is_dir() else "a file of another kind" if path.exists() else "nothing"
    )
    raise InputError(
        f"{path}: expected an .npz file with x_train and x_test, an .npy file, a .tfrecord file, or a folder with "
        f"MNIST's four IDX files ({_IDX_NAMES[0]} and so on), train.npy and test.npy, .tfrecord files, or pictures "
        f"({', '.join(PICTURE_SUFFIXES)}), found {found}; without DATA the embedded MNIST is used"
    )


def _idx_folder(path: Path, options: DataOptions, _quiet: bool) -> Parts | None:
    """A folder with MNIST's four IDX files, plain or ``.gz``; the two with labels are not read."""
    found = [[file for file in (path / name, path / f"{name}.gz") if file.is_file()] for name in _IDX_NAMES]
    if not any(found):
        return None
    for name, files in zip(_IDX_NAMES, found, strict=True):
        if not files:
            raise InputError(f"{path}: expected the file {name} or {name}.gz, found neither; copy it there")
    train, test = (read_idx(files[0], dimensions=3) for files in found)
    return own_parts(*_named(path, train, test), options, path)


def _npz_file(path: Path, options: DataOptions, _quiet: bool) -> Parts | None:
    """A file with ``x_train`` and ``x_test``."""
    if not (path.is_file() and path.suffix == ".npz"):
        return None
    return own_parts(*_named(path, *read_npz(path, ("x_train", "x_test"))), options, path)


def _npy_files(path: Path, options: DataOptions, _quiet: bool) -> Parts | None:
    """One file, of which some pictures are held out by their numbers, or a folder with ``train.npy`` and ``test.npy``.

    They are mapped: of the two files of a folder nothing is copied that memory does not hold.
    """
    files = [path / "train.npy", path / "test.npy"]
    if all(file.is_file() for file in files):
        return own_parts(*_named(path, *(read_npy(file, mapped=True) for file in files)), options, path)
    if not (path.is_file() and path.suffix == ".npy"):
        return None
    array = read_npy(path, mapped=True)
    picture_shape(array, str(path))  # before its pictures are counted
    keys = [str(index) for index in range(len(array))]
    return split_parts(keys, options, path, lambda chosen: ArrayPart(array, str(path), chosen))


def _named(path: str | Path, train: NDArray[Any], test: NDArray[Any]) -> tuple[ArrayPart, ArrayPart]:
    return ArrayPart(train, f"{path}: train images"), ArrayPart(test, f"{path}: test images")


# The first that knows a path reads it; a folder of pictures comes last, since it takes the longest to look at.
_KINDS: tuple[Callable[[Path, DataOptions, bool], Parts | None], ...] = (
    _idx_folder,
    _npz_file,
    _npy_files,
    tfrecords,
    picture_folder,
)

"""Kinds of sources of images. To add one, write a function like those below and list it in `_KINDS`."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import (
    IMAGE_FORMATS,
    describe_skipped,
    file_kind,
    npz_names,
    read_idx,
    read_npy,
    read_npz,
    shape_of_images,
)

from .._tensorflow import import_tensorflow
from .amat import amat_files
from .image_folder import image_folder
from .labels import check_labels, names_of
from .mnist import load_mnist
from .options import DataOptions
from .split_names import SplitName, names_labels_of_a_split, names_only_a_split, split_named_by
from .splits import (
    FOLDER,
    HIDDEN,
    ArraySplit,
    Source,
    describe_unused,
    list_folder,
    source_with_holdout,
    source_with_splits,
)
from .tfrecord import tfrecords

EMBEDDED = "mnist"
KERAS = "keras:"  # prefix of data sets of Keras
_KERAS_DATASETS = ("mnist", "fashion_mnist")
MEMORY = "memory"  # name of arrays as a source

ImageSource = str | Path | NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]
"""A path, or "mnist"; one array of images, or a training and a test array; see `load_data`."""

_NO_LABELS: Mapping[SplitName, NDArray[Any]] = MappingProxyType({})
_SPLITS: tuple[SplitName, ...] = ("train", "test", "validation")
_IDX_IMAGES = ("IDX3", "gzip of IDX3")
_IDX_LABELS = ("IDX1", "gzip of IDX1")
_IDX_NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def open_source(source: ImageSource, options: DataOptions, quiet: bool, *, labels: bool = True) -> tuple[str, Source]:
    """Recognize a source without reading its images.

    Args:
        source: see `load_data`.
        options: how to read the images.
        quiet: show no progress.
        labels: also open files and arrays of labels.

    Returns:
        The name for `Dataset.source`, and the source.

    Raises:
        InputError: the source is missing, of an unknown kind, or damaged.
    """
    if isinstance(source, np.ndarray):
        return MEMORY, _split_array(source, options, Path(MEMORY))
    if isinstance(source, tuple):
        train, test = source
        return MEMORY, source_with_splits(_arrays(MEMORY, {"train": train, "test": test}), options, MEMORY)
    if source == EMBEDDED:
        mnist = load_mnist()
        images: dict[SplitName, NDArray[Any]] = {"train": mnist.train, "test": mnist.test}
        digits: dict[SplitName, NDArray[Any]] = {"train": mnist.train_labels, "test": mnist.test_labels}
        return EMBEDDED, source_with_splits(_arrays(EMBEDDED, images, digits), options, EMBEDDED)
    if isinstance(source, str) and source.startswith(KERAS):
        return source, _keras_dataset(source, options)
    path = Path(source)
    inside = list_folder(path) if path.is_dir() else {}
    for kind in _KINDS:
        if (found := kind(path, options, quiet, inside, labels)) is not None:
            return str(path.resolve()), found
    raise InputError(
        f"{path}: expected an .npz file with x_train and x_test, an .npy file, a .tfrecord file, an IDX file of "
        f"images, or a folder with MNIST's four IDX files ({_IDX_NAMES[0]} and so on), train.npy and test.npy, "
        f".amat files, .tfrecord files, or images ({', '.join(IMAGE_FORMATS)}), found {_found(path, inside)}; "
        f"leave DATA out to use the embedded MNIST"
    )


def _keras_dataset(source: str, options: DataOptions) -> Source:
    """Open a data set that Keras downloads, or has in its cache."""
    name = source.removeprefix(KERAS)
    if name not in _KERAS_DATASETS:
        known = ", ".join(KERAS + name for name in _KERAS_DATASETS)
        raise InputError(f"{source}: expected one of {known}; for other data sets, name a file or folder")
    import_tensorflow()
    import keras

    try:
        with contextlib.redirect_stdout(sys.stderr):  # of Keras's progress
            (train, y_train), (test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise InputError(
            f"{source}: Keras cannot download it: {error}; check the network, or copy the files of the data set to "
            f"this machine and name their folder"
        ) from error
    splits = _arrays(source, {"train": train, "test": test}, {"train": y_train, "test": y_test})
    return source_with_splits(splits, options, source)


def _found(path: Path, inside: Mapping[str, str]) -> str:
    if path.is_dir():
        return f"a folder without any of them: {describe_skipped(inside)}" if inside else "an empty folder"
    if not path.exists():
        return "nothing"
    kind = file_kind(path)
    if kind in IMAGE_FORMATS:
        return f"one {kind} (training needs many images: name their folder)"
    return f"{kind} (save its pixels with numpy.save, as an array uint8 (N, H, W))" if kind == "CSV" else kind


def _idx_files(
    path: Path, options: DataOptions, _quiet: bool, inside: Mapping[str, str], labels: bool
) -> Source | None:
    """Open an IDX file of images, or a folder with a training and a test file, with or without files of labels.

    The files have names like MNIST's: ``train-images.idx3-ubyte``, ``emnist-digits-test-labels-idx1-ubyte.gz``.
    """
    if path.is_file():
        if not file_kind(path).removeprefix("gzip of ").startswith("IDX"):
            return None
        images = read_idx(path, dimensions=3)
        return _split_array(images, options, path)
    files = _one_per_split(path, inside, _is_idx, "images")
    if not files:
        return None
    if "train" not in files or len(files) == 1:
        missing = _IDX_NAMES["train" in files]
        raise InputError(
            f"{path}: expected the file {missing} or {missing}.gz beside {next(iter(files.values()))}, "
            f"found neither; copy it there"
        )
    arrays = {split: read_idx(path / name, dimensions=3) for split, name in files.items()}
    found = _one_per_split(path, inside, _is_idx_of_labels, "labels") if labels else {}
    of_labels = {split: found[split] for split in files if files.keys() <= found.keys()}
    classes = {
        split: check_labels(read_idx(path / name, dimensions=1), str(path / name), len(arrays[split]))
        for split, name in of_labels.items()
    }
    return source_with_splits(
        _arrays(path, arrays, classes),
        options,
        path,
        {split: [name] for split, name in files.items()},
        describe_unused(inside, [*files.values(), *of_labels.values()]),
    )


def _one_per_split(
    path: Path, inside: Mapping[str, str], belongs: Callable[[str, str], bool], what: str
) -> dict[SplitName, str]:
    """Find the file of each split among those that ``belongs`` accepts, given name and kind."""
    files: dict[SplitName, dict[str, str]] = {}
    for name, kind in inside.items():
        if belongs(name, kind) and (split := split_named_by(name)):
            files.setdefault(split, {}).setdefault(name.removesuffix(".gz"), name)  # the plain file sorts first
    for split, names in files.items():
        if len(names) > 1:
            raise InputError(
                f"{path}: expected one IDX file of {split} {what}, found {', '.join(names.values())}; "
                f"put each data set into its own folder"
            )
    return {split: next(iter(files[split].values())) for split in _SPLITS if split in files}


def _is_idx(name: str, kind: str) -> bool:
    return kind not in (FOLDER, HIDDEN) and (kind in _IDX_IMAGES or "idx3" in name)


def _is_idx_of_labels(name: str, kind: str) -> bool:
    return kind not in (FOLDER, HIDDEN) and "label" in name and (kind in _IDX_LABELS or "idx1" in name)


def _npz_file(
    path: Path, options: DataOptions, _quiet: bool, _inside: Mapping[str, str], labels: bool
) -> Source | None:
    """Open an ``.npz`` file with ``x_train`` and ``x_test``, or arrays of similar names, or a single array.

    Labels are in arrays such as ``y_train``, one for each array of images.
    """
    if not (path.is_file() and (path.suffix == ".npz" or file_kind(path) == "NPZ")):
        return None
    names = npz_names(path)
    called = {
        split: [name for name in names if names_only_a_split(name) and split_named_by(name) == split]
        for split in _SPLITS
    }
    if len(names) == 1 and not called["train"]:
        (array,) = read_npz(path, names)
        return _split_array(array, options, path)
    chosen = {split: matching[0] for split, matching in called.items() if len(matching) == 1}
    if "train" not in chosen or len(chosen) < 2 or any(len(matching) > 1 for matching in called.values()):
        found = ", ".join(names) or "none"
        raise InputError(
            f"{path}: expected the arrays x_train and x_test, found {found}; save the images under these names"
        )
    arrays = dict(zip(chosen, read_npz(path, list(chosen.values())), strict=True))
    classes = _npz_labels(path, names, arrays) if labels else {}
    others = [name for name in names if name not in (*chosen.values(), *classes)]
    notes = [f"skipped {len(others):,} arrays: {', '.join(others)}"] if others else []
    names_by_split: dict[SplitName, Sequence[str]] = {split: [name] for split, name in chosen.items()}
    splits = _arrays(path, arrays, dict(zip(chosen, classes.values(), strict=False)))
    return source_with_splits(splits, options, path, names_by_split, notes)


def _npz_labels(path: Path, names: Sequence[str], images: Mapping[SplitName, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Read the array of labels of each split, by its name, in the order of ``images``; empty unless all have one."""
    named = [name for name in names if names_labels_of_a_split(name)]
    found = {split: [name for name in named if split_named_by(name) == split] for split in images}
    if not all(found.values()):
        return {}
    for split, matching in found.items():
        if len(matching) > 1:
            raise InputError(
                f"{path}: expected one array of {split} labels, found {', '.join(matching)}; rename or remove the others"
            )
    chosen = [matching[0] for matching in found.values()]
    return {
        name: check_labels(labels, f"{path}: {name}", len(array))
        for name, labels, array in zip(chosen, read_npz(path, chosen), images.values(), strict=True)
    }


def _npy_files(
    path: Path, options: DataOptions, _quiet: bool, inside: Mapping[str, str], _labels: bool
) -> Source | None:
    """Open one ``.npy`` file, to be divided by image numbers, or a folder with ``train.npy`` and ``test.npy``.

    The files are memory-mapped. Those of a folder are not copied if they exceed the memory limit.
    """
    if path.is_file():
        if path.suffix != ".npy" and file_kind(path) != "NPY":
            return None
        return _split_array(read_npy(path, mapped=True), options, path)
    files: dict[SplitName, Sequence[str]] = {
        split: [f"{split}.npy"] for split in _SPLITS if inside.get(f"{split}.npy", FOLDER) != FOLDER
    }
    if "train" not in files or len(files) == 1:
        return None
    arrays = {split: read_npy(path / name, mapped=True) for split, (name,) in files.items()}
    used = [name for (name,) in files.values()]
    return source_with_splits(_arrays(path, arrays), options, path, files, describe_unused(inside, used))


def _split_array(array: NDArray[Any], options: DataOptions, path: Path) -> Source:
    shape_of_images(array, str(path))  # raises if this is no array of images
    keys = [str(index) for index in range(len(array))]
    return source_with_holdout(keys, options, path, lambda chosen: ArraySplit(array, str(path), chosen))


def _arrays(
    path: str | Path, arrays: Mapping[SplitName, NDArray[Any]], labels: Mapping[SplitName, NDArray[Any]] = _NO_LABELS
) -> dict[SplitName, ArraySplit]:
    """Make splits of arrays of images, and of their labels where there are any."""
    classes = {split: names_of(values, f"{path}: {split} labels") for split, values in labels.items()}
    return {
        split: ArraySplit(array, f"{path}: {split} images", classes=classes.get(split))
        for split, array in arrays.items()
    }


# The first function that recognizes a path opens it. A folder of images comes last, because it is the slowest to check.
_KINDS: tuple[Callable[[Path, DataOptions, bool, Mapping[str, str], bool], Source | None], ...] = (
    _idx_files,
    _npz_file,
    _npy_files,
    amat_files,
    tfrecords,
    image_folder,
)

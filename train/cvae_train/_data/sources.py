"""Where images come from: what DATA may be. A new kind is a function here, or in a module of its own, and in `_KINDS`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import (
    PICTURE_FORMATS,
    describe_passed_over,
    file_kind,
    npz_names,
    picture_shape,
    read_idx,
    read_npy,
    read_npz,
)

from .image_folder import picture_folder
from .mnist import load_mnist
from .options import DataOptions
from .part_names import PartName, is_part_name, part_of
from .splits import FOLDER, HIDDEN, ArrayPart, Source, look_into, notes_on_others, own_parts, split_parts
from .tfrecord import tfrecords

EMBEDDED = "mnist"

_PARTS: tuple[PartName, ...] = ("train", "test", "validation")
_IDX_IMAGES = ("IDX3", "gzip of IDX3")
_IDX_NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def open_source(source: str | Path, options: DataOptions, quiet: bool) -> tuple[str, Source]:
    """Find out what a source is, without reading its pictures.

    Returns:
        What `Dataset.source` calls it, and its parts.

    Raises:
        InputError: it is not there, of no known kind, or damaged.
    """
    if source == EMBEDDED:
        mnist = load_mnist()
        return EMBEDDED, own_parts(_arrays(EMBEDDED, {"train": mnist.train, "test": mnist.test}), options, EMBEDDED)
    path = Path(source)
    inside = look_into(path) if path.is_dir() else {}
    for kind in _KINDS:
        if (found := kind(path, options, quiet, inside)) is not None:
            return str(path.resolve()), found
    raise InputError(
        f"{path}: expected an .npz file with x_train and x_test, an .npy file, a .tfrecord file, an IDX file of images, "
        f"or a folder with MNIST's four IDX files ({_IDX_NAMES[0]} and so on), train.npy and test.npy, .tfrecord files, "
        f"or pictures ({', '.join(PICTURE_FORMATS)}), found {_found(path, inside)}; without DATA the embedded MNIST is used"
    )


def _found(path: Path, inside: Mapping[str, str]) -> str:
    if path.is_dir():
        return f"a folder without any of them: {describe_passed_over(inside)}" if inside else "an empty folder"
    if not path.exists():
        return "nothing"
    kind = file_kind(path)
    if kind in PICTURE_FORMATS:
        return f"one {kind}, where training takes many pictures: name their folder"
    return f"{kind} (save its pixels with numpy.save, as an array uint8 (N, H, W))" if kind == "CSV" else kind


def _idx_files(path: Path, options: DataOptions, _quiet: bool, inside: Mapping[str, str]) -> Source | None:
    """A file of images, or a folder with one for training and one for testing; files with labels are not read.

    Their names are MNIST's or like them: ``train-images.idx3-ubyte``, ``emnist-digits-test-images-idx3-ubyte.gz``.
    """
    if path.is_file():
        if not file_kind(path).removeprefix("gzip of ").startswith("IDX"):
            return None
        images = read_idx(path, dimensions=3)
        return _split_array(images, options, path)
    files: dict[PartName, dict[str, str]] = {}
    for name, kind in inside.items():
        if _is_idx(name, kind) and (part := part_of(name)):
            files.setdefault(part, {}).setdefault(name.removesuffix(".gz"), name)  # the plain one comes first
    if not files:
        return None
    for part, names in files.items():
        if len(names) > 1:
            raise InputError(
                f"{path}: expected one IDX file of {part} images, found {', '.join(names.values())}; "
                f"put each set into a folder of its own"
            )
    if "train" not in files or len(files) == 1:
        missing = _IDX_NAMES["train" in files]
        raise InputError(
            f"{path}: expected the file {missing} or {missing}.gz beside {next(iter(files.values())).popitem()[1]}, "
            f"found neither; copy it there"
        )
    used = {part: next(iter(files[part].values())) for part in _PARTS if part in files}
    arrays = {part: read_idx(path / name, dimensions=3) for part, name in used.items()}
    called: dict[PartName, Sequence[str]] = {part: [name] for part, name in used.items()}
    return own_parts(_arrays(path, arrays), options, path, called, notes_on_others(inside, list(used.values())))


def _is_idx(name: str, kind: str) -> bool:
    return kind not in (FOLDER, HIDDEN) and (kind in _IDX_IMAGES or "idx3" in name)


def _npz_file(path: Path, options: DataOptions, _quiet: bool, _inside: Mapping[str, str]) -> Source | None:
    """A file with ``x_train`` and ``x_test``, or arrays whose names say as much, or with one array alone."""
    if not (path.is_file() and (path.suffix == ".npz" or file_kind(path) == "NPZ")):
        return None
    names = npz_names(path)
    called = {part: [name for name in names if is_part_name(name) and part_of(name) == part] for part in _PARTS}
    if len(names) == 1 and not called["train"]:
        (array,) = read_npz(path, names)
        return _split_array(array, options, path)
    chosen = {part: those[0] for part, those in called.items() if len(those) == 1}
    if "train" not in chosen or len(chosen) < 2 or any(len(those) > 1 for those in called.values()):
        found = ", ".join(names) or "none"
        raise InputError(
            f"{path}: expected the arrays x_train and x_test, found {found}; save the images under these names"
        )
    arrays = dict(zip(chosen, read_npz(path, list(chosen.values())), strict=True))
    others = [name for name in names if name not in chosen.values()]
    notes = [f"passed over {len(others):,} arrays: {', '.join(others)}"] if others else []
    said: dict[PartName, Sequence[str]] = {part: [name] for part, name in chosen.items()}
    return own_parts(_arrays(path, arrays), options, path, said, notes)


def _npy_files(path: Path, options: DataOptions, _quiet: bool, inside: Mapping[str, str]) -> Source | None:
    """One file, of which some pictures are held out by their numbers, or a folder with ``train.npy`` and ``test.npy``.

    They are mapped: of the files of a folder nothing is copied that memory does not hold.
    """
    if path.is_file():
        if path.suffix != ".npy" and file_kind(path) != "NPY":
            return None
        return _split_array(read_npy(path, mapped=True), options, path)
    files: dict[PartName, Sequence[str]] = {
        part: [f"{part}.npy"] for part in _PARTS if inside.get(f"{part}.npy", FOLDER) != FOLDER
    }
    if "train" not in files or len(files) == 1:
        return None
    arrays = {part: read_npy(path / name, mapped=True) for part, (name,) in files.items()}
    used = [name for (name,) in files.values()]
    return own_parts(_arrays(path, arrays), options, path, files, notes_on_others(inside, used))


def _split_array(array: NDArray[Any], options: DataOptions, path: Path) -> Source:
    picture_shape(array, str(path))  # before its pictures are counted
    keys = [str(index) for index in range(len(array))]
    return split_parts(keys, options, path, lambda chosen: ArrayPart(array, str(path), chosen))


def _arrays(path: str | Path, arrays: Mapping[PartName, NDArray[Any]]) -> dict[PartName, Any]:
    return {part: ArrayPart(array, f"{path}: {part} images") for part, array in arrays.items()}


# The first that knows a path reads it; a folder of pictures comes last, since it takes the longest to look at.
_KINDS: tuple[Callable[[Path, DataOptions, bool, Mapping[str, str]], Source | None], ...] = (
    _idx_files,
    _npz_file,
    _npy_files,
    tfrecords,
    picture_folder,
)

"""Read the images of a folder or a file a batch at a time."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError
from .arrays import as_images, npz_names, read_npy, shape_of_images, spans
from .file_kind import CSV, IDX, IMAGE_FORMATS, NPY, NPZ, TFRECORD, UNREADABLE, file_kind
from .files import fit_images, read_images, stacked
from .folder import IMAGE_SUFFIXES, find_images, no_images_in
from .idx import read_idx

Pixels = NDArray[np.uint8]

_EXPECTED = "expected a folder of images, an image, an .npy or an IDX file"


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Images for a model of one image shape, (H, W, C).

    Attributes:
        count: number of images.
        read: ``read(start, stop)`` returns images ``start .. stop - 1``, uint8 (stop - start, H, W, C). It raises
            `InputError`, with the file's name, if they cannot be read or do not fit.
        names: paths of a folder's images in the folder; None for other sources.
        skipped: the reason why each other file of a folder is skipped, by its path.

    Examples:
        >>> source = images.ImageSource(3, lambda start, stop: np.zeros((stop - start, 28, 28, 1), np.uint8))
        >>> source.read(1, 3).shape
        (2, 28, 28, 1)
    """

    count: int
    read: Callable[[int, int], Pixels]
    names: Sequence[str] | None = None
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def longest_name(self) -> int:
        """Characters of the longest name; 0 without names."""
        return max(map(len, self.names or ()), default=0)

    @functools.cached_property
    def has_subfolders(self) -> bool:
        """Whether some of the images lie in subfolders."""
        return any("/" in name for name in self.names or ())


def open_images(
    path: Path, shape: tuple[int, int, int], *, resize: bool = False, grey: bool = False, invert: bool = False
) -> ImageSource:
    """Open a folder or file of images, and count them.

    Args:
        path: a folder of images, one image file, an ``.npy`` file, which may be larger than memory, or an IDX file.
            The first bytes decide which.
        shape: (H, W, C) of the model.
        resize, grey, invert: as for `read_images`.

    Raises:
        InputError: there are no images, or the file is damaged.

    Examples:
        >>> _ = Path("zeros.npy").write_bytes(images.npy_bytes(np.zeros((3, 28, 28), np.uint8)))
        >>> images.open_images(Path("zeros.npy"), (28, 28, 1)).count
        3
    """
    read_files = functools.partial(read_images, shape=shape, resize=resize, grey=grey, invert=invert)
    fit = functools.partial(fit_images, path=path, shape=shape, resize=resize, grey=grey, invert=invert)
    if path.is_dir():
        found = find_images(path)
        if not found.names:
            raise no_images_in(path, found.skipped)
        return ImageSource(
            len(found.names),
            lambda start, stop: read_files([path / name for name in found.names[start:stop]]),
            [_text(name) for name in found.names],
            found.skipped,
        )
    if not path.is_file():
        raise InputError(f"{path}: {_EXPECTED}, found nothing; check the name")
    kind, suffix = file_kind(path), path.suffix.lower()
    if kind == NPY or suffix == ".npy":
        # Map the file again for each batch: pages that a mapping has read count as memory until it is closed.
        return _array_source(lambda: _read_mapped(path, shape), str(path), fit)
    if kind.removeprefix("gzip of ").startswith(IDX):
        pixels = as_images(read_idx(path, dimensions=3), str(path))
        return _array_source(lambda: pixels, str(path), fit)
    if kind in (*IMAGE_FORMATS, UNREADABLE) or suffix in IMAGE_SUFFIXES:
        return ImageSource(1, lambda _start, _stop: read_files([path]))
    raise InputError(f"{path}: {_EXPECTED}, found {kind}; {_advice(path, kind)}")


def _advice(path: Path, kind: str) -> str:
    """How to convert another kind of file to images."""
    if kind == NPZ:
        return f"save one of its arrays ({', '.join(npz_names(path)) or 'none'}) with numpy.save"
    if kind == CSV:
        return "save the pixels of its rows with numpy.save, as an array uint8 (N, H, W)"
    if kind == TFRECORD or kind.endswith(f" {TFRECORD}"):
        return "save the images of its records as files of a folder"
    return "save the images as PNG files"


def _text(name: str) -> str:
    """Convert a file's name to valid UTF-8; other bytes become replacement characters."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read_mapped(path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    array = stacked(read_npy(path, mapped=True), path, shape)
    shape_of_images(array, str(path))
    return array


def _array_source(read: Callable[[], NDArray[Any]], name: str, fit: Callable[[Pixels], Pixels]) -> ImageSource:
    def batch(start: int, stop: int) -> Pixels:
        array = read()[start:stop]
        parts = spans(len(array), array[0].nbytes)  # images may be larger than the model's
        return np.concatenate([fit(as_images(array[part], name)) for part in parts])

    return ImageSource(len(read()), batch)

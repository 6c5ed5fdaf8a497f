"""Any number of images of a folder or a file, read a batch at a time."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_images, picture_shape, read_npy, spans
from ._errors import InputError
from ._idx import is_idx, read_idx
from ._image_files import fit_images, read_images
from ._picture_folder import PICTURE_SUFFIXES, find_pictures

Pixels = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Images that a model of one image shape, (H, W, C), takes.

    Attributes:
        count: how many there are.
        read: gives images ``start .. stop - 1``, uint8 (stop - start, H, W, C); raises `InputError`, which names the
            file, where they cannot be read or do not fit.
        names: of a folder's pictures, their paths in it; None of what else there is.
    """

    count: int
    read: Callable[[int, int], Pixels]
    names: Sequence[str] | None = None


def open_images(
    path: Path, shape: tuple[int, int, int], *, resize: bool = False, gray: bool = False, invert: bool = False
) -> ImageSource:
    """Find out how many images there are.

    Args:
        path: a folder of pictures, one picture, an ``.npy`` file, of which memory need not hold all, or an IDX file.
        shape: (H, W, C) of the model.
        resize, gray, invert: as for `read_images`.

    Raises:
        InputError: there are none, or the file is damaged.
    """
    read_files = functools.partial(read_images, shape=shape, resize=resize, gray=gray, invert=invert)
    fit = functools.partial(fit_images, path=path, shape=shape, resize=resize, gray=gray, invert=invert)
    if path.is_dir():
        if not (names := find_pictures(path)):
            raise InputError(f"{path}: expected pictures ({', '.join(PICTURE_SUFFIXES)}) in the folder, found none")
        return ImageSource(
            len(names),
            lambda start, stop: read_files([path / name for name in names[start:stop]]),
            [_text(name) for name in names],
        )
    if not path.is_file():
        raise InputError(f"{path}: expected a folder of pictures, a picture, an .npy or an IDX file, found nothing")
    if path.suffix == ".npy":
        # Mapped anew for each batch: what was read through a mapping counts as memory for as long as that is there.
        return _array_source(lambda: _read_mapped(path), str(path), fit)
    if is_idx(path):
        pixels = as_images(read_idx(path, dimensions=3), str(path))
        return _array_source(lambda: pixels, str(path), fit)
    return ImageSource(1, lambda _start, _stop: read_files([path]))


def _text(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes of it that are no UTF-8 become question marks."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read_mapped(path: Path) -> NDArray[Any]:
    array = read_npy(path, mapped=True)
    array = array[np.newaxis] if array.ndim == 2 else array
    picture_shape(array, str(path))
    return array


def _array_source(read: Callable[[], NDArray[Any]], name: str, fit: Callable[[Pixels], Pixels]) -> ImageSource:
    def batch(start: int, stop: int) -> Pixels:
        array = read()[start:stop]
        parts = spans(len(array), array[0].nbytes)  # pictures may be larger than the model's
        return np.concatenate([fit(as_images(array[part], name)) for part in parts])

    return ImageSource(len(read()), batch)

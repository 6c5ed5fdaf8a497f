"""Training and test images: the form that all have, and how they are loaded from any source."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import as_images, spans

from .options import AS_THEY_ARE, DataOptions, Shape
from .pixel_store import PixelStore
from .sources import EMBEDDED, open_source
from .splits import Part, settle_bad


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images to train and to test on.

    Attributes:
        train: uint8 (N, H, W, C); a `numpy.memmap` stays one, and is never in memory as a whole.
        test: uint8 (M, H, W, C), likewise.
        validation: uint8 (V, H, W, C), likewise: images to choose settings by; None where there are none of their own.
        source: "mnist" for the embedded set, an absolute path, or "memory" for arrays of the caller's.
        options: how they were read from the source.
        notes: lines on how its parts were chosen and on what of it is not read.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    source: str = "memory"
    options: DataOptions = AS_THEY_ARE
    validation: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("train", "test", "validation"):
            if (images := getattr(self, name)) is None:
                continue
            images = as_images(images, f"{self.source}: {name} images")
            object.__setattr__(self, name, images)
            if self.train.shape[1:] != images.shape[1:]:
                raise InputError(
                    f"{self.source}: expected {name} images of the training images' shape {self.train.shape[1:]}, "
                    f"found {images.shape[1:]}"
                )

    @property
    def image_shape(self) -> Shape:
        """(H, W, C)."""
        _, height, width, channels = self.train.shape
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 over shapes and pixels, in hex: whether a path still holds what a run was trained on."""
        return fingerprint_of(*self.parts)

    @property
    def parts(self) -> list[NDArray[np.uint8]]:
        """Training, test and, where there are any, validation images."""
        return [part for part in (self.train, self.test, self.validation) if part is not None]


def fingerprint_of(*parts: NDArray[np.uint8]) -> str:
    """SHA-256 over shapes and pixels of arrays, in hex; of a mapped one a span at a time is read."""
    digest = hashlib.sha256()
    for images in parts:
        digest.update(repr(images.shape).encode())
        for span in spans(len(images), images[0].nbytes):
            digest.update(np.ascontiguousarray(images[span]).data)
    return digest.hexdigest()


def load_data(
    source: str | Path = EMBEDDED,
    options: DataOptions = AS_THEY_ARE,
    *,
    memory_limit: int | None = None,
    spill: Path | None = None,
    quiet: bool = False,
) -> Dataset:
    """Load images.

    Args:
        source: "mnist" for the embedded set (binary already), or a path, told by the content of its files:
            a folder with MNIST's four IDX files, plain or compressed by gzip, or one IDX file of images;
            an ``.npz`` file with ``x_train`` and ``x_test``, see `as_images`, or with one array;
            an ``.npy`` file of the same, or a folder with ``train.npy`` and ``test.npy``;
            a folder of pictures (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP), nested or not, perhaps in ``train/``, ``val/``
            and ``test/``;
            a ``.tfrecord`` file, or a folder of them, of Examples with encoded pictures.
        options: size, channels, what is held out for testing, what is done with pictures that cannot be read.
        memory_limit: bytes of images that are kept in memory; a quarter of what is available if not given. Training
            or test images beyond it stay on the disk, as a `numpy.memmap`.
        spill: folder on a disk that has room for these; the current folder if not given.
        quiet: show no progress.

    Raises:
        InputError: not there, damaged, empty, or of another form; the message names the file.
    """
    name, found = open_source(source, options, quiet)
    store = PixelStore(memory_limit, spill)
    train, test, *validation = _read(found.parts, _shape(found.parts, options, name), options, name, store)
    return Dataset(train, test, name, options, validation[0] if validation else None, tuple(found.notes))


def load_test(
    source: str | Path,
    options: DataOptions,
    image_shape: Shape,
    *,
    spill: Path | None = None,
    quiet: bool = False,
) -> NDArray[np.uint8]:
    """The test images that `load_data` gives where all images have the shape (H, W, C); no others are decoded.

    Raises:
        InputError: as `load_data`.
    """
    height, width, channels = image_shape
    options = dataclasses.replace(options, image_size=(height, width), channels=channels)
    name, found = open_source(source, options, quiet)
    (images,) = _read([found.test], image_shape, options, name, PixelStore(folder=spill))
    return as_images(images, f"{name}: test images")


def _shape(parts: Sequence[Part], options: DataOptions, name: str) -> Shape:
    if options.image_size is not None and options.channels is not None:
        return (*options.image_size, options.channels)
    found = sum((part.shapes() for part in parts), Counter[Shape]())
    if not found:
        settle_bad(parts, options.skip_bad, name)  # which raises if there are pictures, all of them bad
    return options.shape_of(found, name)


def _read(
    parts: Sequence[Part], shape: Shape, options: DataOptions, name: str, store: PixelStore
) -> list[NDArray[np.uint8]]:
    images = [part.read(shape, store) for part in parts]
    settle_bad(parts, options.skip_bad, name)
    return images

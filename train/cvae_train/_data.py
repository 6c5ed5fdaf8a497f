"""Training and test images: the form that all have, and how they are loaded from any source."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError, as_images, spans

from ._options import AS_THEY_ARE, DataOptions, Shape
from ._parts import Part, settle_bad
from ._pixels import PixelStore
from ._sources import EMBEDDED, open_source


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images to train and to test on.

    Attributes:
        train: uint8 (N, H, W, C); a `numpy.memmap` stays one, and is never in memory as a whole.
        test: uint8 (M, H, W, C), likewise.
        source: "mnist" for the embedded set, an absolute path, or "memory" for arrays of the caller's.
        options: how they were read from the source.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    source: str = "memory"
    options: DataOptions = AS_THEY_ARE

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            object.__setattr__(self, name, as_images(getattr(self, name), f"{self.source}: {name} images"))
        if self.train.shape[1:] != self.test.shape[1:]:
            raise InputError(
                f"{self.source}: expected test images of the training images' shape {self.train.shape[1:]}, "
                f"found {self.test.shape[1:]}"
            )

    @property
    def image_shape(self) -> Shape:
        """(H, W, C)."""
        _, height, width, channels = self.train.shape
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 over shapes and pixels, in hex: whether a path still holds what a run was trained on."""
        return fingerprint_of(self.train, self.test)


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
        source: "mnist" for the embedded set (binary already), or a path:
            a folder with MNIST's four IDX files, plain or ``.gz``;
            an ``.npz`` file with ``x_train`` and ``x_test``, uint8 or float in [0, 1];
            an ``.npy`` file of the same, or a folder with ``train.npy`` and ``test.npy``;
            a folder of pictures (BMP, JPEG, PNG, WebP), nested or not, perhaps in ``train/`` and ``test/``;
            a ``.tfrecord`` file, or a folder of them, of Examples with encoded pictures.
        options: size, channels, what is held out for testing, what is done with pictures that cannot be read.
        memory_limit: bytes of images that are kept in memory; a quarter of what is available if not given. Training
            or test images beyond it stay on the disk, as a `numpy.memmap`.
        spill: folder on a disk that has room for these; the current folder if not given.
        quiet: show no progress.

    Raises:
        InputError: not there, damaged, empty, or of another form; the message names the file.
    """
    name, parts = open_source(source, options, quiet)
    train, test = _read(parts, _shape(parts, options, name), options, name, PixelStore(memory_limit, spill))
    return Dataset(train, test, name, options)


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
    name, (_, test) = open_source(source, options, quiet)
    (images,) = _read([test], image_shape, options, name, PixelStore(folder=spill))
    return as_images(images, f"{name}: test images")


def _shape(parts: Sequence[Part], options: DataOptions, name: str) -> Shape:
    if options.image_size is not None and options.channels is not None:
        return (*options.image_size, options.channels)
    train, test = parts
    found = train.shapes() + test.shapes()
    if not found:
        settle_bad(parts, options.skip_bad, name)  # which raises if there are pictures, all of them bad
    return options.shape_of(found, name)


def _read(
    parts: Sequence[Part], shape: Shape, options: DataOptions, name: str, store: PixelStore
) -> list[NDArray[np.uint8]]:
    images = [part.read(shape, store) for part in parts]
    settle_bad(parts, options.skip_bad, name)
    return images

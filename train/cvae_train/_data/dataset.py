"""`Dataset`, and loading it from any source."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import as_images, spans

from .labels import Labels, without_training
from .options import AS_THEY_ARE, DataOptions, Shape
from .pixel_store import PixelStore
from .sources import EMBEDDED, MEMORY, ImageSource, open_source
from .splits import Source, Split, few, report_unreadable


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images for training, testing and validation.

    Attributes:
        train: uint8 (N, H, W, C); a `numpy.memmap` stays one and is never loaded as a whole.
        test: uint8 (M, H, W, C), likewise.
        validation: uint8 (V, H, W, C), likewise; None if the source has no validation set.
        source: "mnist" for the embedded set, an absolute path, or "memory" for the caller's arrays.
        options: how the images were read from the source.
        notes: lines about how the sets were chosen and which files were skipped.
        labels: class of each image; None if the source does not have a class of every image.

    Raises:
        InputError: the images of a set are no images, or have another shape; or a set has another number of labels.

    Examples:
        >>> pixels = np.zeros((100, 28, 28), np.uint8)
        >>> cvae_train.Dataset(train=pixels[:90], test=pixels[90:]).image_shape
        (28, 28, 1)
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    source: str = MEMORY
    options: DataOptions = AS_THEY_ARE
    validation: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    labels: Labels | None = None

    def __post_init__(self) -> None:
        for name in ("train", "test", "validation"):
            images = getattr(self, name)
            if self.labels is not None:
                self._check_labels(name, images, getattr(self.labels, name))
            if images is None:
                continue
            images = as_images(images, f"{self.source}: {name} images")
            object.__setattr__(self, name, images)
            if self.train.shape[1:] != images.shape[1:]:
                raise InputError(
                    f"{self.source}: expected {name} images of the training images' shape {self.train.shape[1:]}, "
                    f"found {images.shape[1:]}"
                )

    def _check_labels(self, name: str, images: NDArray[Any] | None, labels: NDArray[np.int64] | None) -> None:
        expected, found = (None if part is None else len(part) for part in (images, labels))
        if expected != found:
            raise InputError(
                f"{self.source}: expected {expected or 'no'} {name} labels, one for each image, found {found or 'none'}; "
                f"use the labels of the same images"
            )

    @property
    def image_shape(self) -> Shape:
        """(H, W, C)."""
        _, height, width, channels = self.train.shape
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 of shapes and pixels, in hex; identifies the images of a run."""
        return fingerprint_of(*self.splits)

    @property
    def splits(self) -> list[NDArray[np.uint8]]:
        """The training, test and, if any, validation images."""
        return [images for images in (self.train, self.test, self.validation) if images is not None]


def fingerprint_of(*arrays: NDArray[np.uint8]) -> str:
    """SHA-256 of shapes and pixels of arrays, in hex; reads a mapped array one span at a time."""
    digest = hashlib.sha256()
    for images in arrays:
        digest.update(repr(images.shape).encode())
        for span in spans(len(images), images[0].nbytes):
            digest.update(np.ascontiguousarray(images[span]).data)
    return digest.hexdigest()


def load_data(
    source: ImageSource = EMBEDDED,
    options: DataOptions = AS_THEY_ARE,
    *,
    memory_limit: int | None = None,
    spill: Path | None = None,
    quiet: bool = False,
) -> Dataset:
    """Load images, and their class labels if the source has a class of every image.

    Args:
        source: "mnist" for the embedded set, which is already binary. "keras:mnist" or "keras:fashion_mnist", which
            Keras downloads once. An array of images, of which some are held out; a tuple of a training and a test array
            (see `as_images`); or a path. The content of the files decides which kind it is.

            * A folder with MNIST's four IDX files, plain or compressed by gzip, or one IDX file of images.
            * An ``.npz`` file with ``x_train`` and ``x_test``, or with one array; see `as_images`.
            * An ``.npy`` file with one array, or a folder with ``train.npy`` and ``test.npy``.
            * A folder with ``.amat`` files of binarized MNIST, such as ``binarized_mnist_train.amat``.
            * A folder of images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP), nested or not, optionally in ``train/``,
              ``val/`` and ``test/``.
            * A ``.tfrecord`` file, or a folder of them, of Examples with encoded images.

            Labels come from MNIST's and Keras's sets, IDX files of labels, arrays ``y_train`` and ``y_test``, a table
            ``labels.csv`` or ``labels.parquet`` in a folder of images, class folders, and features of Examples.
        options: size, channels, test fraction, and whether to skip images that cannot be read.
        memory_limit: bytes of images to keep in memory; default: a quarter of the available memory. Training or test
            images beyond it stay on disk, as a `numpy.memmap`.
        spill: folder on a disk with room for images beyond the limit; default: the current folder.
        quiet: show no progress.

    Raises:
        InputError: the source is missing, damaged, empty, or of an unknown format; or its labels do not belong to its
            images. The message names the file.

    Examples:
        >>> data = cvae_train.load_data("images.npz")
        >>> data.train.shape, data.test.shape
        ((40, 8, 8, 1), (13, 8, 8, 1))
    """
    name, found = open_source(source, options, quiet)
    store = PixelStore(memory_limit, spill)
    train, test, *validation = _read(found.splits, _shape(found.splits, options, name), options, name, store)
    labels, notes = _labels(found, name)
    return Dataset(train, test, name, options, validation[0] if validation else None, (*found.notes, *notes), labels)


def load_test(
    source: str | Path,
    options: DataOptions,
    image_shape: Shape,
    *,
    spill: Path | None = None,
    quiet: bool = False,
) -> NDArray[np.uint8]:
    """Load only the test images, as `load_data` would for images of the given shape.

    Args:
        source: see `load_data`.
        options: see `load_data`; ``image_shape`` overrides size and channels.
        image_shape: (H, W, C) of all images.
        spill: see `load_data`.
        quiet: show no progress.

    Raises:
        InputError: as `load_data`.
    """
    height, width, channels = image_shape
    options = dataclasses.replace(options, image_size=(height, width), channels=channels)
    name, found = open_source(source, options, quiet, labels=False)
    (images,) = _read([found.test], image_shape, options, name, PixelStore(folder=spill))
    return as_images(images, f"{name}: test images")


def _shape(splits: Sequence[Split], options: DataOptions, name: str) -> Shape:
    if options.image_size is not None and options.channels is not None:
        return (*options.image_size, options.channels)
    found = sum((split.shapes() for split in splits), Counter[Shape]())
    if not found:
        report_unreadable(splits, options.skip_bad, name)  # raises if there are images but none can be read
    return options.shape_of(found, name)


def _read(
    splits: Sequence[Split], shape: Shape, options: DataOptions, name: str, store: PixelStore
) -> list[NDArray[np.uint8]]:
    images = [split.read(shape, store) for split in splits]
    report_unreadable(splits, options.skip_bad, name)
    return images


def _labels(found: Source, name: str) -> tuple[Labels | None, list[str]]:
    """Number the classes of the images that were read; with notes."""
    parts = [labels for split in found.splits if (labels := split.labels()) is not None]
    if len(parts) < len(found.splits):
        return None, []
    if found.labelled_by_folders and (absent := without_training(*parts)):  # folders are not always classes
        have = "has" if len(absent) == 1 else "have"
        return None, [f"the folders are not read as classes, since {few(absent)} {have} no training images"]
    train, test, *validation = parts
    return Labels.of(train, test, validation[0] if validation else None, name), []

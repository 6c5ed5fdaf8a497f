"""Look at a data set before a recipe is chosen: describe its images, without any decision."""

import dataclasses
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

from .._config import Augment
from .dataset import Dataset
from .options import AS_THEY_ARE, DataOptions
from .sources import ImageSource, open_source
from .splits import ArraySplit, Source, report_unreadable
from .symmetry import SymmetryTest

_SAMPLE_IMAGES = 500  # for the histogram; evenly spaced
_NEAR = 32  # levels from black or white
_EXTREME = 0.85  # least share of values near black and white in black-and-white images
_BOTH = 0.01  # least share of each of the two


@dataclasses.dataclass(frozen=True)
class DataLook:
    """Description of a data set as it is, before its images are scaled and converted.

    Attributes:
        source: as `Dataset.source`.
        train, test, validation: number of readable images of each part; validation is None if the source has none.
        sizes: (height, width) in pixels and number of the images that have it, the most frequent first.
        channels: 1 if all files store grey images, otherwise 3.
        grey: whether all images are grey: stored as grey, or with R = G = B in every pixel.
        black_and_white: whether the images are grey, at least 85% of the values are near 0 or near 255, and at least
            1% are near each. Antialiased digits such as MNIST's are black-and-white in this sense; Fashion-MNIST and
            photographs are not.
        near_black, near_white: share of the values below 32, and of those above 223.
        low, high: lowest and highest value, 0 to 255. Arrays of 0 and 1 have a high of 1; 12-bit values in files of 16
            bits have a high of at most 16.
        symmetry: the transformations whose results a classifier cannot distinguish from the images.
        classes: name and number of images of each class folder; see `Source`.
        notes: as `Dataset.notes`.

    All figures of values, and the symmetry, are those of up to 500 evenly spaced training images. ``grey`` looks at
    every image.
    """

    source: str
    train: int
    test: int
    validation: int | None
    sizes: tuple[tuple[tuple[int, int], int], ...]
    channels: int
    grey: bool
    black_and_white: bool
    near_black: float
    near_white: float
    low: int
    high: int
    symmetry: Augment = "none"
    classes: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()


def look_at(source: ImageSource, options: DataOptions = AS_THEY_ARE, *, quiet: bool = False) -> DataLook:
    """Describe the images of a source.

    Reads the header of every image, and decodes a sample. If files store colour but the sample is grey, it decodes
    images until one has colour.

    Args:
        source: see `load_data`.
        options: test fraction, and whether to skip images that cannot be read; size and channels are ignored.
        quiet: show no progress.

    Raises:
        InputError: as `load_data`, but images may have several sizes.
    """
    return _look(*open_source(source, options, quiet), skip_bad=options.skip_bad)


def look_at_dataset(data: Dataset) -> DataLook:
    """Describe the images of a data set in memory."""
    train, test, *validation = (ArraySplit(images, data.source) for images in data.splits)
    source = Source(train, test, validation[0] if validation else None, data.notes)
    return _look(data.source, source, skip_bad=data.options.skip_bad)


def _look(name: str, found: Source, *, skip_bad: bool) -> DataLook:
    counts = [split.shapes() for split in found.splits]
    if not skip_bad or not any(counts):  # the images that are left out are logged when they are loaded
        report_unreadable(found.splits, skip_bad, name)
    shapes = sum(counts, Counter())
    if not shapes:
        raise InputError(f"{name}: expected at least one image, found none")
    sizes: Counter[tuple[int, int]] = Counter()
    for (height, width, _), count in shapes.items():
        sizes[height, width] += count
    train, test, *validation = (count.total() for count in counts)
    channels = max(channels for *_, channels in shapes)
    histogram, coloured, symmetry = np.zeros(256, np.int64), False, SymmetryTest()
    for image in found.train.images(_SAMPLE_IMAGES):
        histogram += np.bincount(image.reshape(-1), minlength=256)
        coloured = coloured or not _is_grey(image)
        symmetry.add(image)
    if not histogram.any():
        report_unreadable(found.splits, skip_bad, name)  # raises, since nothing could be decoded
    near_black, near_white = (
        float(values.sum() / histogram.sum()) for values in (histogram[:_NEAR], histogram[-_NEAR:])
    )
    low, *_, high = np.flatnonzero(histogram).tolist() * 2
    grey = channels == 1 or (
        not coloured and all(_is_grey(image) for split in found.splits for image in split.images())
    )
    return DataLook(
        source=name,
        train=train,
        test=test,
        validation=validation[0] if validation else None,
        sizes=tuple(sizes.most_common()),
        channels=channels,
        grey=grey,
        black_and_white=grey and min(near_black, near_white) >= _BOTH and near_black + near_white >= _EXTREME,
        near_black=near_black,
        near_white=near_white,
        low=low,
        high=high,
        symmetry=symmetry.result(),
        classes=found.classes,
        notes=tuple(found.notes),
    )


def _is_grey(image: NDArray[np.uint8]) -> bool:
    """Whether an image (H, W, C) has one channel, or R = G = B in every pixel."""
    return bool((image == image[..., :1]).all())

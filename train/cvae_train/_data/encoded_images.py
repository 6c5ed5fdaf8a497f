"""Encoded images in files or records: read on threads, with a list of those that cannot be read."""

import itertools
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import encoded_shape, evenly_spaced, fit_image, read_image
from cvae_runtime.system import allowed_cores, require

from .options import DataOptions, Shape
from .pixel_store import PixelStore

PROGRESS_DELAY = 1.0  # seconds before a progress bar appears
_AHEAD = 4  # images per thread that are decoded in advance

Item = TypeVar("Item")
Result = TypeVar("Result")


class Encoded(NamedTuple):
    """An encoded image: its name for errors, its path or content, and the name of its class, if any."""

    name: str
    file: Path | bytes
    label: str | None = None


class EncodedImages(Protocol):
    """Encoded images that can be iterated repeatedly, always in the same order."""

    def __len__(self) -> int:
        """Number of images."""

    def __iter__(self) -> Iterator[Encoded]:
        """Iterate over the images; each is read on demand."""


class EncodedSplit:
    """A split whose images Pillow decodes.

    Args:
        images: the encoded images.
        options: how to scale, crop and convert them.
        quiet: show no progress.

    Attributes:
        unreadable: name and error of each image that could not be read so far.
    """

    def __init__(self, images: EncodedImages, options: DataOptions, quiet: bool) -> None:
        self.unreadable: dict[str, str] = {}
        self._images, self._options, self._quiet = images, options, quiet
        self._labels: list[str | None] = []  # of the images that were read

    def __len__(self) -> int:
        return len(self._images)

    def shapes(self) -> Counter[Shape]:
        """Count the readable images by shape (H, W, C), from their headers."""
        return Counter(
            self._each("reading image headers", lambda image: encoded_shape(image.file, image.name), len(self))
        )

    def images(self, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the readable images as they are, uint8 (H, W, C) each: all, or at most ``most``, evenly spaced."""

        def decode(image: Encoded) -> NDArray[np.uint8]:
            pixels = np.asarray(read_image(image.file, image.name))
            return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]

        return self._each("looking at images", decode, len(self) if most is None else most)

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """Decode the readable images to one shape: uint8 (N, H, W, C).

        Raises:
            InputError: the disk is full.
        """

        def decode(image: Encoded) -> tuple[NDArray[np.uint8], str | None]:
            picture = read_image(image.file, image.name)
            if self._options.image_size is None and (picture.height, picture.width) != shape[:2]:
                # A PNG may store its rotation after the pixels, where encoded_shape does not look.
                raise InputError(
                    f"{image.name}: expected {shape[1]}x{shape[0]} pixels (width x height) as in its header, "
                    f"found {picture.width}x{picture.height}; pass --image-size to scale and crop it"
                )
            return fit_image(picture, shape), image.label

        pixels, labels = store.new(len(self._images), shape), list[str | None]()
        for picture, label in self._each("reading images", decode, len(self)):
            pixels[len(labels)] = picture
            labels.append(label)
        self._labels = labels
        return pixels[: len(labels)]

    def labels(self) -> list[str] | None:
        """Return the class of each image that `read` returned, in its order; None if images have no class."""
        known = [label for label in self._labels if label is not None]
        return known if len(known) == len(self._labels) else None

    def _each(self, title: str, work: Callable[[Encoded], Result], most: int) -> Iterator[Result]:
        """Yield ``work``'s results for at most ``most`` images, evenly spaced, in order.

        Records the images for which it raises `InputError`.
        """
        chosen = np.zeros(len(self), np.bool_)
        chosen[evenly_spaced(len(self), most)] = True

        def attempt(image: Encoded) -> tuple[str, Result | InputError]:
            try:
                return image.name, work(image)
            except InputError as error:
                return image.name, error

        threads = allowed_cores()
        hidden = self._quiet or not sys.stderr.isatty()
        tqdm = require("tqdm", "train").tqdm
        with (
            # Pillow warns about many images that it reads correctly. The filter applies to all threads.
            warnings.catch_warnings(action="ignore"),
            tqdm(
                total=int(chosen.sum()), desc=title, unit=" images", delay=PROGRESS_DELAY, leave=False, disable=hidden
            ) as bar,
            ThreadPoolExecutor(threads) as pool,
        ):
            for name, result in _in_order(pool, attempt, itertools.compress(self._images, chosen), _AHEAD * threads):
                bar.update()
                if isinstance(result, InputError):
                    self.unreadable[name] = str(result)
                else:
                    yield result


def _in_order(pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Like ``pool.map``, but with at most ``ahead`` items in progress, so that memory does not hold all of them."""
    under_way: deque[Future[Result]] = deque()
    for item in items:
        under_way.append(pool.submit(work, item))
        if len(under_way) > ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()

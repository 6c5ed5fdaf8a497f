"""Encoded pictures, in files or in records: looked at, then decoded on threads. Those that cannot be are collected."""

import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import encoded_shape, fit_picture, read_picture
from cvae_runtime.system import allowed_cores, require

from .options import DataOptions, Shape
from .pixel_store import PixelStore

Encoded = tuple[str, Path | bytes]  # what errors call a picture, and where it lies or what it is

PATIENCE = 1.0  # seconds that pass before there is a progress bar
_AHEAD = 4  # pictures a thread that are taken before they are asked for

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pictures(Protocol):
    """Encoded pictures, any number of times the same ones in the same order."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[Encoded]:
        """One after another, each read when it is asked for."""


class EncodedPart:
    """Pictures that Pillow reads.

    Args:
        pictures: which ones.
        options: how they are brought into a shape.
        quiet: show no progress.

    Attributes:
        bad: what is wrong with each picture that could not be read so far, by its name.
    """

    def __init__(self, pictures: Pictures, options: DataOptions, quiet: bool) -> None:
        self.bad: dict[str, str] = {}
        self._pictures, self._options, self._quiet = pictures, options, quiet

    def __len__(self) -> int:
        return len(self._pictures)

    def shapes(self) -> Counter[Shape]:
        """How many pictures have which shape (H, W, C), told from their headers; bad ones are left out."""
        return Counter(self._each("looking at pictures", encoded_shape))

    def read(self, shape: Shape, store: PixelStore) -> NDArray[np.uint8]:
        """All pictures but bad ones, brought into a shape: uint8 (N, H, W, C).

        Raises:
            InputError: no room on the disk.
        """

        def decode(file: Path | bytes, name: str) -> NDArray[np.uint8]:
            picture = read_picture(file, name)
            if self._options.image_size is None and (picture.height, picture.width) != shape[:2]:
                # A PNG can say behind its pixels that it lies on its side.
                raise InputError(
                    f"{name}: expected {shape[1]}x{shape[0]} pixels (width x height), as its beginning says, "
                    f"found {picture.width}x{picture.height}; say --image-size to scale and crop it"
                )
            return fit_picture(picture, shape)

        pixels, count = store.new(len(self._pictures), shape), 0
        for picture in self._each("reading pictures", decode):
            pixels[count] = picture
            count += 1
        return pixels[:count]

    def _each(self, label: str, work: Callable[[Path | bytes, str], Result]) -> Iterator[Result]:
        """What ``work`` makes of each picture, in order; a picture that it refuses is added to the bad ones."""

        def attempt(encoded: Encoded) -> tuple[str, Result | InputError]:
            name, file = encoded
            try:
                return name, work(file, name)
            except InputError as error:
                return name, error

        threads = allowed_cores()
        hidden = self._quiet or not sys.stderr.isatty()
        tqdm = require("tqdm", "train").tqdm
        with (
            # For all threads: Pillow warns of much in pictures that are read all the same.
            warnings.catch_warnings(action="ignore"),
            tqdm(
                total=len(self._pictures), desc=label, unit=" pictures", delay=PATIENCE, leave=False, disable=hidden
            ) as bar,
            ThreadPoolExecutor(threads) as pool,
        ):
            for name, result in _in_order(pool, attempt, self._pictures, _AHEAD * threads):
                bar.update()
                if isinstance(result, InputError):
                    self.bad[name] = str(result)
                else:
                    yield result


def _in_order(pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """As ``pool.map``, which would take all items at once and keep them in memory: here so many are under way."""
    under_way: deque[Future[Result]] = deque()
    for item in items:
        under_way.append(pool.submit(work, item))
        if len(under_way) > ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()

"""Where pixels live: in memory as far as they fit, then on the disk, in files that vanish with the process."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.system import available_memory

SHARE = 4  # one part in so many of the memory that is available is for images, unless the caller says how much


class PixelStore:
    """Hands out arrays for images.

    Args:
        memory_limit: bytes of images that may lie in memory; a quarter of what is available if not given.
        folder: where the files of those beyond it are made; the current folder if not given. It should be on a disk:
            ``/tmp`` is memory on many systems.
    """

    def __init__(self, memory_limit: int | None = None, folder: Path | None = None) -> None:
        self._left = available_memory() // SHARE if memory_limit is None else memory_limit
        self._folder = Path() if folder is None else folder

    def new(self, count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """An array uint8 (count, H, W, C) to be filled: an ordinary one, or a `numpy.memmap` if that does not fit.

        Raises:
            InputError: the disk has no room for it.
        """
        size = count * math.prod(shape)
        return np.empty((count, *shape), np.uint8) if self._fits(size) else self._map((count, *shape), size)

    def keep(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images uint8 (N, H, W, C) where they belong: copied unless they are there already.

        Raises:
            InputError: the disk has no room for them.
        """
        mapped = isinstance(images, np.memmap)
        if self._fits(images.nbytes):
            return np.array(images) if mapped else images
        if mapped:
            return images
        pixels = self._map(images.shape, images.nbytes)
        pixels[:] = images
        return pixels

    def _fits(self, size: int) -> bool:
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits

    def _map(self, shape: tuple[int, ...], size: int) -> NDArray[np.uint8]:
        try:
            # A file without a name: the system frees it when nothing maps it any more, however the process ends.
            with tempfile.TemporaryFile(dir=self._folder) as file:
                # Where the room is not taken at once, a full disk is a signal that ends the process.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(file, np.uint8, "r+", shape=shape)
        except OSError as error:
            raise InputError(
                f"cannot put {size / 2**20:,.1f} MiB of images on the disk in {self._folder.absolute()}: "
                f"{error.strerror or error}; make room there, or let more of them into memory by --memory-limit"
            ) from error

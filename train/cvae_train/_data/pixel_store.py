"""Storage for pixels: in memory up to a limit, then in temporary files that end with the process."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.system import available_memory

SHARE = 4  # by default, images may take one part in four of the available memory


class PixelStore:
    """Allocate arrays for images, in memory or on disk.

    Args:
        memory_limit: bytes of images to keep in memory; default: a quarter of the available memory.
        folder: folder for the temporary files; default: the current folder. Use a disk: on many systems, ``/tmp`` is
            in memory.
    """

    def __init__(self, memory_limit: int | None = None, folder: Path | None = None) -> None:
        self._left = available_memory() // SHARE if memory_limit is None else memory_limit
        self._folder = Path() if folder is None else folder

    def new(self, count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Allocate an uninitialized array uint8 (count, H, W, C), as a `numpy.memmap` if it exceeds the limit.

        Raises:
            InputError: the disk is full.
        """
        size = count * math.prod(shape)
        return np.empty((count, *shape), np.uint8) if self._fits(size) else self._map((count, *shape), size)

    def keep(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Store images uint8 (N, H, W, C) in memory or on disk; copy them only if this changes their place.

        Raises:
            InputError: the disk is full.
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
            # A file without a name is freed by the system as soon as nothing maps it, however the process ends.
            with tempfile.TemporaryFile(dir=self._folder) as file:
                # Reserve the space now: writing to a mapped file on a full disk kills the process.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(file, np.uint8, "r+", shape=shape)
        except OSError as error:
            raise InputError(
                f"cannot write {size / 2**20:,.1f} MiB of images to {self._folder.absolute()}: "
                f"{error.strerror or error}; free disk space, or raise --memory-limit to keep more images in memory"
            ) from error

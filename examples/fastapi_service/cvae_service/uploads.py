"""Pictures that strangers send: limited before anything is unpacked."""

import asyncio
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image

from cvae_runtime import InputError
from cvae_runtime.images import encoded_shape, fit_picture, read_picture

from .batching import BusyError

# Of the dozens of formats that Pillow reads, some start other programs. These are what cameras and browsers make.
_BEGINNINGS = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8\xff", "GIF": b"GIF8", "BMP": b"BM", "WebP": b"RIFF"}


class Reader:
    """Decodes uploads, off the event loop and a picture at a time, so that a request of many keeps no other waiting.

    Args:
        shape: (H, W, C) of the model.
        most: pixels that are decoded or wait for it.
    """

    def __init__(self, shape: tuple[int, int, int], most: int) -> None:
        self._shape, self._most = shape, most
        self._threads = ThreadPoolExecutor(2, "reader")  # one decodes, the other reads headers meanwhile
        self._turn = asyncio.Lock()
        self._pixels = 0

    async def __call__(self, files: Sequence[tuple[bytes, str]], **options: bool) -> NDArray[np.uint8]:
        """Read the files of a request.

        Args:
            files: each as bytes and what errors call it.
            options: see `read_upload`.

        Returns:
            uint8 (N, H, W, C).

        Raises:
            InputError: see `read_upload`.
            HTTPException: 413, the request has more pixels than may ever be decoded.
            BusyError: too many pixels are decoded or wait for it.
        """
        loop = asyncio.get_running_loop()
        pixels = await loop.run_in_executor(self._threads, count_pixels, files)
        if pixels > self._most:
            raise HTTPException(
                413, f"images must have at most {self._most:,} pixels together; found {pixels:,}: send less at a time"
            )
        if self._pixels + pixels > self._most:
            raise BusyError(f"{self._pixels:,} pixels wait to be decoded; try again later")
        self._pixels += pixels
        try:
            images = []
            for data, name in files:
                read = partial(read_upload, data, name, self._shape, **options)
                async with self._turn:
                    images.append(await loop.run_in_executor(self._threads, read))
            return np.stack(images)
        finally:
            self._pixels -= pixels

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)


def limit_pixels(most: int) -> None:
    """Let Pillow refuse pictures of more pixels, by their headers: a few kilobytes can unpack to gigabytes.

    This is a setting of the whole process. `read_picture` refuses what Pillow only warns of.
    """
    Image.MAX_IMAGE_PIXELS = most
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def count_pixels(files: Sequence[tuple[bytes, str]]) -> int:
    """How many pixels files have together, by their headers.

    Raises:
        InputError: one is no picture, or too large.
    """
    pixels = 0
    for data, name in files:
        if not data.startswith(tuple(_BEGINNINGS.values())):
            raise InputError(f"{name}: expected a picture, {', '.join(_BEGINNINGS)}; found something else")
        height, width, _ = encoded_shape(data, name)
        pixels += height * width
    return pixels


def read_upload(
    data: bytes, name: str, shape: tuple[int, int, int], *, resize: bool, gray: bool, invert: bool
) -> NDArray[np.uint8]:
    """One encoded picture as the model takes it; nothing is changed unasked.

    Args:
        data: the file.
        name: what errors call it.
        shape: (H, W, C) of the model.
        resize, gray, invert: what `cvae_runtime.read_images` does under these names.

    Returns:
        uint8 (H, W, C).

    Raises:
        InputError: it cannot be read, is too large, or does not fit and the matching option was not given.
    """
    picture = read_picture(data, name)
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not gray:
        raise InputError(f"{name}: the model takes grey pictures, found colour; add gray=true to turn it grey")
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{name}: the model takes {width}x{height} pixels (width x height), found {picture.width}x{picture.height}; "
            f"add resize=true to scale and crop it"
        )
    image = fit_picture(picture, shape)
    return np.bitwise_not(image) if invert else image

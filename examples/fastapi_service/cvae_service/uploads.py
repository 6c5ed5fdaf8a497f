"""Read pictures from untrusted clients, with limits that apply before they are decoded."""

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
from cvae_runtime.images import encoded_shape, fit_image, read_image

from .batching import BusyError

# Pillow reads dozens of formats, some with other programs. These are the formats of cameras and browsers.
_BEGINNINGS = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8\xff", "GIF": b"GIF8", "BMP": b"BM", "WebP": b"RIFF"}


class Reader:
    """Decode uploads in threads, one picture at a time, so that a request with many pictures does not delay others.

    Args:
        shape: (H, W, C) of the model.
        most: limit of the pixels that are decoded or wait for decoding.
    """

    def __init__(self, shape: tuple[int, int, int], most: int) -> None:
        self._shape, self._most = shape, most
        self._threads = ThreadPoolExecutor(2, "reader")  # one decodes while the other reads headers
        self._turn = asyncio.Lock()
        self._pixels = 0

    async def __call__(self, files: Sequence[tuple[bytes, str]], **options: bool) -> NDArray[np.uint8]:
        """Read the files of a request.

        Args:
            files: the bytes of each file, and its name in messages.
            options: see `read_upload`.

        Returns:
            uint8 (N, H, W, C).

        Raises:
            InputError: see `read_upload`.
            HTTPException: 413, the request has more pixels than the limit.
            BusyError: too many pixels are decoded or wait for decoding.
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
        """Stop the threads."""
        self._threads.shutdown(cancel_futures=True)


def limit_pixels(most: int) -> None:
    """Let Pillow reject pictures of more pixels by their headers: a few kilobytes can unpack to gigabytes.

    This is a setting of the whole process. `read_image` turns Pillow's warnings into errors.
    """
    Image.MAX_IMAGE_PIXELS = most
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def count_pixels(files: Sequence[tuple[bytes, str]]) -> int:
    """Count the pixels of files by their headers.

    Raises:
        InputError: a file is no picture, or too large.
    """
    pixels = 0
    for data, name in files:
        if not data.startswith(tuple(_BEGINNINGS.values())):
            raise InputError(f"{name}: expected a picture, {', '.join(_BEGINNINGS)}; found something else")
        height, width, _ = encoded_shape(data, name)
        pixels += height * width
    return pixels


def read_upload(
    data: bytes, name: str, shape: tuple[int, int, int], *, resize: bool, grey: bool, invert: bool
) -> NDArray[np.uint8]:
    """Read one encoded picture for the model, and change it only as the options say.

    Args:
        data: the file.
        name: its name in messages.
        shape: (H, W, C) of the model.
        resize, grey, invert: options of `cvae_runtime.read_images`.

    Returns:
        uint8 (H, W, C).

    Raises:
        InputError: it cannot be read, is too large, or does not fit and the matching option was not given.
    """
    picture = read_image(data, name)
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not grey:
        raise InputError(f"{name}: the model takes grey images, found colour; add grey=true to turn it grey")
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{name}: the model takes {width}x{height} pixels (width x height), found {picture.width}x{picture.height}; "
            f"add resize=true to scale and crop it"
        )
    image = fit_image(picture, shape)
    return np.bitwise_not(image) if invert else image

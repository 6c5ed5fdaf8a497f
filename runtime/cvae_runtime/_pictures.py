"""Pictures out: grids of images, PNG and GIF."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_uint8(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn values in [0, 1] into grey levels 0 to 255, rounded; the shape stays."""
    levels: NDArray[np.uint8] = np.rint(np.clip(images, 0.0, 1.0) * np.float32(255)).astype(np.uint8)
    return levels


def picture_grid(
    images: NDArray[np.uint8], columns: int | None = None, padding: int = 1, scale: int = 1
) -> NDArray[np.uint8]:
    """Lay images out row by row.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        columns: how many a row; as square as can be if not given.
        padding: pixels of mid-grey between images and around them.
        scale: each pixel becomes a square of this many.

    Returns:
        uint8 (height, width, C); cells without an image stay grey.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale, width * scale
    shape = (rows * (height + padding) + padding, columns * (width + padding) + padding, channels)
    grid = np.full(shape, 128, np.uint8)
    for index, image in enumerate(images):
        top = padding + index // columns * (height + padding)
        left = padding + index % columns * (width + padding)
        grid[top : top + height, left : left + width] = image
    return grid


def encode_png(picture: NDArray[np.uint8], *, optimize: bool = True) -> bytes:
    """Encode one picture, uint8 (H, W, C) with C 1 or 3, as PNG; ``optimize`` takes longer for a few bytes less."""
    buffer = io.BytesIO()
    _pillow_image(picture).save(buffer, "PNG", optimize=optimize)
    return buffer.getvalue()


def encode_gif(frames: Sequence[NDArray[np.uint8]], milliseconds: int) -> bytes:
    """Encode pictures, uint8 (H, W, C) each, as a GIF that loops; every frame is shown for ``milliseconds``."""
    buffer = io.BytesIO()
    # Copies: Pillow shares an array's memory, which an iterator may use again for its next frame.
    first, *others = (_pillow_image(np.array(frame)) for frame in frames)
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return buffer.getvalue()


def _pillow_image(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image  # a tenth of the package's import time, and arrays need none of it

    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)

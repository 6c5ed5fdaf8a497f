"""Grids of images, and encoders for PNG and GIF."""

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._check import check_int
from .._errors import InputError

_SCALE_UP_TO = 64  # pixels; images up to this size are enlarged in a grid
_GRID_SCALE = 2


def to_uint8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert images to levels 0 to 255, uint8 of the same shape.

    Args:
        images: floats in [0, 1], which are rounded to the nearest level; or uint8, which is returned unchanged.

    Raises:
        InputError: another dtype, NaN, or floats more than half a level outside [0, 1].

    Examples:
        >>> cvae.to_uint8(np.array([[[0.0], [0.2], [1.0]]])).ravel().tolist()
        [0, 51, 255]
    """
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise _no_images(str(images.dtype))
    levels = images * np.float32(255)
    if levels.size and not (levels.min() >= -0.5 and levels.max() < 255.5):  # False for NaN
        wrong = ~((levels >= -0.5) & (levels < 255.5))
        raise _no_images(_shown(float(images[wrong].flat[0])))
    rounded: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return rounded


def _no_images(found: str) -> InputError:
    return InputError(f"images must be uint8, or floats in [0, 1]; found {found}: scale or convert them")


def _shown(value: float) -> str:
    """Format a number as the JavaScript runtime does."""
    return "NaN" if math.isnan(value) else f"{value:.3f}" if abs(value) < 1e6 else "larger numbers"


def picture_grid(
    images: NDArray[Any], columns: int | None = None, padding: int = 1, scale: int = 1
) -> NDArray[np.uint8]:
    """Arrange images in a grid, row by row.

    Args:
        images: (N, H, W, C), N at least 1, uint8 or floats in [0, 1], as for `to_uint8`.
        columns: images in a row; default: the square root of N, rounded up.
        padding: pixels of mid-grey between and around the images.
        scale: factor of enlargement; each pixel becomes a square of scale x scale pixels.

    Returns:
        uint8 (height, width, C); cells without an image are grey.

    Raises:
        InputError: the images have another shape, dtype or range, or a number is out of range.

    Examples:
        >>> cvae.picture_grid(np.zeros((6, 28, 28, 1), np.uint8), columns=3, padding=0).shape
        (56, 84, 1)
    """
    images = to_uint8(images)
    if images.ndim != 4 or not images.size:
        raise InputError(f"images must have the shape (N, H, W, C) and hold at least one; found {images.shape}")
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else check_int("columns", columns, 1)
    padding, scale = check_int("padding", padding, 0), check_int("scale", scale, 1)
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


def encode_png(picture: NDArray[Any], *, optimize: bool = True) -> bytes:
    """Encode one picture as PNG.

    Args:
        picture: (H, W, C) with C 1 or 3, uint8 or floats in [0, 1], as for `to_uint8`.
        optimize: spend more time on a slightly smaller file.

    Raises:
        InputError: the picture has another shape, dtype or range.

    Examples:
        >>> cvae.encode_png(np.zeros((28, 28, 1), np.uint8))[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    _pillow_image(picture).save(buffer, "PNG", optimize=optimize)
    return buffer.getvalue()


def encode_gif(frames: Iterable[NDArray[Any]], milliseconds: int) -> bytes:
    """Encode pictures as a looping GIF.

    Args:
        frames: at least one picture, each as for `encode_png`.
        milliseconds: duration of each frame.

    Raises:
        InputError: there are no frames, or one is not a picture.

    Examples:
        >>> frames = np.zeros((2, 28, 28, 1), np.uint8)
        >>> cvae.encode_gif(frames, milliseconds=100)[:6]
        b'GIF89a'
    """
    # Copy: Pillow shares an array's memory, which an iterator may reuse for its next frame.
    pictures = [_pillow_image(np.array(frame)) for frame in frames]
    if not pictures:
        raise InputError("frames must hold at least one picture; found none")
    first, *others = pictures
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return buffer.getvalue()


def _pillow_image(picture: NDArray[Any]) -> Any:
    from PIL import Image  # a tenth of the package's import time, and arrays do not need it

    picture = to_uint8(picture)
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or not picture.size:
        raise InputError(f"a picture must have the shape (H, W, C), C being 1 or 3; found {picture.shape}")
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def grid_scale(shape: tuple[int, ...]) -> int:
    """Default scale in a grid of images of (H, W, C): 2 for images up to 64 pixels, otherwise 1."""
    return _GRID_SCALE if max(shape[:2]) <= _SCALE_UP_TO else 1

"""Grids of images, and encoders for PNG and GIF."""

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import PIL.Image

from .._check import check_int
from .._errors import InputError

_SCALE_UP_TO = 64  # pixels; images up to this size are enlarged in a grid
_GRID_SCALE = 2
_CHANNELS = (1, 3)


def to_uint8(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert images to levels 0 to 255, uint8 of the same shape.

    Args:
        images: floats in [0, 1], which are rounded to the nearest level; or uint8, which is returned unchanged.

    Raises:
        InputError: another dtype, NaN, or floats more than half a level outside [0, 1].

    Examples:
        >>> cvae.to_uint8(np.array([0.0, 0.5, 1.0]))
        array([  0, 128, 255], dtype=uint8)
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


def image_grid(
    images: NDArray[Any], columns: int | None = None, *, padding: int = 1, scale: int = 1
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
        >>> cvae.image_grid(np.zeros((6, 28, 28, 1), np.uint8), columns=3).shape
        (59, 88, 1)
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


def show(images: Any, columns: int | None = None, *, padding: int = 1, scale: int | None = None) -> "PIL.Image.Image":
    """Draw images as one picture, which a notebook displays.

    Args:
        images: uint8, or floats in [0, 1]. One image is (H, W) or (H, W, C). N images are (N, H, W), (N, H, W, C), or a
            list. Rows of images are (R, N, H, W, C), as `Model.traverse` and `Model.manifold` return them. An array of
            three axes, the last of length 1 or 3, is one image.
        columns: images in a row. Default: N for rows of images, otherwise the square root of N, rounded up.
        padding: pixels of mid-grey between and around the images.
        scale: factor of enlargement. Default: 2 for images up to 64 pixels, otherwise 1.

    Returns:
        The picture, a ``PIL.Image.Image`` of mode L or RGB. Its ``save("samples.png")`` writes a file.

    Raises:
        InputError: the images have another shape, dtype or range, or a number is out of range.

    Examples:
        >>> cvae.show(cvae.load().manifold(steps=3)).size
        (172, 172)
    """
    levels = to_uint8(_stacked(images))
    if levels.ndim == 2 or (levels.ndim == 3 and levels.shape[2] in _CHANNELS):
        levels = levels[np.newaxis]
    if levels.ndim == 3:
        levels = levels[..., np.newaxis]
    if levels.ndim == 5:
        columns = levels.shape[1] if columns is None else columns
        levels = levels.reshape(-1, *levels.shape[2:])
    if levels.ndim != 4 or levels.shape[3] not in _CHANNELS:
        raise InputError(
            f"images to show must have the shape (N, H, W, C), C being 1 or 3, or another that show() takes; "
            f"found {np.shape(images)}"
        )
    scale = grid_scale(levels.shape[1:]) if scale is None else scale
    return _pillow_image(image_grid(levels, columns, padding=padding, scale=scale))


def _stacked(images: Any) -> NDArray[Any]:
    try:
        return np.asarray(images)
    except ValueError as error:
        shapes = " and ".join(sorted({str(np.shape(image)) for image in images}))
        raise InputError(f"images of a list must have one shape; found {shapes}: show them one by one") from error


def encode_png(picture: NDArray[Any], *, optimize: bool = True) -> bytes:
    r"""Encode one picture as PNG.

    Args:
        picture: (H, W, C) with C 1 or 3, uint8 or floats in [0, 1], as for `to_uint8`.
        optimize: spend more time on a slightly smaller file.

    Raises:
        InputError: the picture has another shape, dtype or range.

    Examples:
        >>> cvae.encode_png(np.zeros((28, 28, 1), np.uint8))[:4]
        b'\x89PNG'
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
        >>> cvae.encode_gif(cvae.load().generate(3), milliseconds=100)[:6]
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


def _pillow_image(picture: NDArray[Any]) -> "PIL.Image.Image":
    from PIL import Image  # a tenth of the package's import time, and arrays do not need it

    picture = to_uint8(picture)
    if picture.ndim != 3 or picture.shape[2] not in _CHANNELS or not picture.size:
        raise InputError(f"a picture must have the shape (H, W, C), C being 1 or 3; found {picture.shape}")
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def grid_scale(shape: tuple[int, ...]) -> int:
    """Default scale in a grid of images of (H, W, C): 2 for images up to 64 pixels, otherwise 1."""
    return _GRID_SCALE if max(shape[:2]) <= _SCALE_UP_TO else 1

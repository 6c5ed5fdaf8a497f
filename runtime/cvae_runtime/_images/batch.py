"""Convert the images that callers pass to one array: arrays, PIL images, paths, and lists of images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._check import check_images
from .._errors import InputError
from .files import ImageFile, is_image_file, read_named

ImageInput = NDArray[np.uint8] | ImageFile | Sequence[NDArray[np.uint8] | ImageFile]


def image_batch(images: ImageInput, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Convert images to one array, without scaling them or changing their colours.

    Args:
        images: an array, uint8 (N, H, W, C), or (N, H, W) for one channel. A single image lacks the first axis. PIL
            images and paths are read by `read_images`. The images of a list or tuple are joined in order.
        shape: (H, W, C) of the model.

    Returns:
        uint8 (N, H, W, C). An array that has this shape is returned itself, not a copy.

    Raises:
        InputError: another type, dtype or shape, no images, or a file that cannot be read.
    """
    if not isinstance(images, list | tuple):
        return _batch(images, shape, "images")
    if not images:
        raise InputError("images must hold at least one image; found none")
    return np.concatenate([_batch(image, shape, f"images[{index}]") for index, image in enumerate(images)])


def _batch(images: Any, shape: tuple[int, int, int], name: str) -> NDArray[np.uint8]:
    if is_image_file(images):
        return read_named({name: images}, shape)
    return check_images(images, shape, name)

"""Pictures in: PNG, JPEG and whatever else Pillow reads, and ``.npy``, brought to a model's image shape.

Nothing is changed unasked: a picture of another size, in colour, or with light and dark the other way round is
resized, turned grey or inverted only when the caller says so. Transparent parts become white, as on paper; of an
animation the first frame is taken; the turn that a camera stored beside the pixels is applied.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import as_images, read_npy
from ._errors import InputError

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")


def read_images(
    paths: Sequence[Path],
    shape: tuple[int, int, int],
    *,
    resize: bool = False,
    gray: bool = False,
    invert: bool = False,
) -> NDArray[np.uint8]:
    """Read image files for a model of image shape (H, W, C).

    Args:
        paths: image files, or ``.npy`` files of one picture or many.
        shape: (H, W, C).
        resize: scale a picture to cover H x W and crop what overhangs, evenly on both sides (Lanczos).
        gray: turn colour into grey by the luma of ITU-R 601-2.
        invert: swap light and dark.

    Returns:
        uint8 (N, H, W, C), in the order of the paths.

    Raises:
        InputError: a file cannot be read, or does not fit and the matching option was not given.
    """
    if not paths:
        raise InputError("expected at least one image file; found none")
    batches = []
    for path in paths:
        pictures = _read_npy_pictures(path) if path.suffix == ".npy" else [_open(path)]
        batches.append(np.stack([_fit(picture, path, shape, resize, gray) for picture in pictures]))
    images = np.concatenate(batches)
    return np.bitwise_not(images) if invert else images


def _open(path: Path) -> Any:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if file.mode not in _EIGHT_BIT_MODES:
                    raise InputError(
                        f"{path}: expected 8 bits a channel, found mode {file.mode}; convert the picture to 8 bits"
                    )
                # Phones store the turn beside the pixels. Of an animation this is the first frame.
                picture = ImageOps.exif_transpose(file)
    except InputError:
        raise
    # Pillow's decoders raise nearly anything on damaged data.
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a picture: {error}") from error
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        grey = picture.mode in ("L", "LA")
        picture = picture.convert("RGBA")
        opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return opaque.convert("L" if grey else "RGB")
    return picture if picture.mode == "L" else picture.convert("RGB")


def _read_npy_pictures(path: Path) -> list[Any]:
    from PIL import Image

    array = read_npy(path)
    if array.ndim == 2:
        array = array[np.newaxis]
    images = as_images(array, str(path))
    return [Image.fromarray(image[..., 0] if image.shape[2] == 1 else image) for image in images]


def _fit(picture: Any, path: Path, shape: tuple[int, int, int], resize: bool, gray: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    height, width, channels = shape
    if channels == 1 and picture.mode != "L":
        if not gray:
            raise InputError(f"{path}: the model takes grey pictures, found colour; say --gray to turn it grey")
        picture = picture.convert("L")
    elif channels == 3 and picture.mode == "L":
        picture = picture.convert("RGB")  # the same picture: nothing is lost
    if picture.size != (width, height):
        if not resize:
            raise InputError(
                f"{path}: the model takes {width}x{height} pixels (width x height), found "
                f"{picture.width}x{picture.height}; say --resize to scale and crop it"
            )
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(shape)

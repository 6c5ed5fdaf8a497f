"""Pictures in: PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, and ``.npy``, brought to a model's image shape.

Nothing is changed unasked: a picture of another size, in colour, or with light and dark the other way round is
resized, turned grey or inverted only when the caller says so. Transparent parts become white, as on paper, but black
where all that can be seen is white, as white glyphs are; of an animation the first frame is taken; the turn that a
camera stored beside the pixels is applied; grey levels of 16 bits are divided by 257, so that white stays white, and
rounded.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError
from .._system import refuse_special
from .arrays import as_images, read_npy
from .file_kind import NPY, PICTURE_FORMATS, file_kind

# Pillow reads dozens more, by their content and not by their names; some start other programs (EPS: Ghostscript).
_FORMATS = tuple(map(str.upper, PICTURE_FORMATS))

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_GREY_MODES = ("1", "L", "LA", *_SIXTEEN_BIT_MODES)

_WHITE_FROM = 250  # of a channel; lossy formats leave white a few levels darker

_ORIENTATION = 0x0112  # EXIF's tag
_ON_ITS_SIDE = (5, 6, 7, 8)


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
        paths: image files, or ``.npy`` files of one picture or many, see `stacked`.
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
    # Pillow warns of much in pictures that are read all the same; what matters is refused.
    with warnings.catch_warnings(action="ignore"):
        for path in paths:
            if path.suffix == ".npy" or file_kind(path) == NPY:
                pictures = as_images(stacked(read_npy(path), path, shape), str(path))
                batches.append(fit_images(pictures, path, shape, resize=resize, gray=gray))
            else:
                picture = read_picture(path, str(path))
                _check_fits(picture, path, shape, resize, gray)
                batches.append(fit_picture(picture, shape)[np.newaxis])
    images = np.concatenate(batches)
    return np.bitwise_not(images) if invert else images


def fit_images(
    images: NDArray[np.uint8],
    path: Path,
    shape: tuple[int, int, int],
    *,
    resize: bool = False,
    gray: bool = False,
    invert: bool = False,
) -> NDArray[np.uint8]:
    """Bring the pictures of an array into a shape, as `read_images` does with those of files.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        path: what errors call them.
        shape, resize, gray, invert: see `read_images`.

    Returns:
        uint8 (N, H, W, C); the same array if there is nothing to change.

    Raises:
        InputError: they do not fit, and the matching option was not given.
    """
    if images.shape[1:] != shape:
        _check_fits(_to_pil(images[0]), path, shape, resize, gray)
        images = np.stack([fit_picture(image, shape) for image in images])
    return np.bitwise_not(images) if invert else images


def stacked(array: NDArray[Any], path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Tell what a 2-D array holds; others come back as they are.

    Args:
        array: (H, W), one picture, or (N, H * W * C), N flat ones.
        path: what errors call it.
        shape: (H, W, C) of the model, which tells the one from the other.

    Returns:
        (1, H, W) or (N, H, W, C), of the same values.

    Raises:
        InputError: it is neither.
    """
    if array.ndim != 2:
        return array
    height, width, channels = shape
    if array.shape == (height, width):
        return array[np.newaxis]
    size = height * width * channels
    if array.shape[1] == size:
        return array.reshape(len(array), *shape)
    raise InputError(
        f"{path}: expected an array of shape ({height}, {width}), one picture, or (N, {size}), flat ones, found shape "
        f"{array.shape}; of one picture of another size make array[None], of flat ones array.reshape(-1, H, W)"
    )


def encoded_shape(file: Path | bytes, name: str) -> tuple[int, int, int]:
    """(H, W, C) of the picture that `read_picture` makes of a file, told from the file's beginning.

    Raises:
        InputError: the beginning cannot be read as that of a picture, or the picture is of a kind that is refused.
    """
    from PIL import Image

    with _opened(file, name) as picture:
        width, height = picture.size
        # PNG's own getexif would read all pixels first, to find what may stand behind them.
        if Image.Image.getexif(picture).get(_ORIENTATION) in _ON_ITS_SIDE:
            width, height = height, width
        return height, width, 1 if picture.mode in _GREY_MODES else 3


def read_picture(file: Path | bytes, name: str) -> Any:
    """Read one picture; several threads may do so side by side.

    Args:
        file: where it lies, or its encoded bytes.
        name: what errors call it.

    Returns:
        A PIL image of mode L or RGB, upright and opaque.

    Raises:
        InputError: it cannot be read, has more than 8 bits a channel (grey: 16), or is so large that reading it may
            exhaust the memory.
    """
    from PIL import Image, ImageOps

    with _opened(file, name) as encoded:
        # Phones store the turn beside the pixels. Of an animation this is the first frame.
        picture = ImageOps.exif_transpose(encoded)
    if picture.mode in _SIXTEEN_BIT_MODES:
        return _to_eight_bits(picture, name)
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        grey = picture.mode in ("L", "LA")
        picture = picture.convert("RGBA")
        opaque = Image.alpha_composite(Image.new("RGBA", picture.size, _paper(picture)), picture)
        return opaque.convert("L" if grey else "RGB")
    return picture if picture.mode == "L" else picture.convert("RGB")


def fit_picture(picture: Any, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Bring a picture into a shape: turned grey or into RGB, scaled to cover H x W, the overhang cropped evenly.

    Args:
        picture: of `read_picture`, or uint8 (H, W, C).
        shape: (H, W, C) that is wanted.

    Returns:
        uint8 (H, W, C); a picture that has the shape already comes back with the same pixels.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    picture = _to_pil(picture) if isinstance(picture, np.ndarray) else picture
    mode = "L" if channels == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)  # luma of ITU-R 601-2, or the same picture in three channels
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(shape)


@contextmanager
def _opened(file: Path | bytes, name: str) -> Iterator[Any]:
    """A picture whose header is read; whatever goes wrong within the block is an `InputError` that names it."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(file, Path):
        refuse_special(file)
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=_FORMATS) as picture:
            # Pillow warns, and refuses twice the limit. Its warning cannot be made an error here, among threads.
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and picture.width * picture.height > limit:
                raise InputError(
                    f"{name}: expected at most {limit:,} pixels, found {picture.width}x{picture.height} "
                    f"(width x height); make the picture smaller"
                )
            if picture.mode not in (*_EIGHT_BIT_MODES, *_SIXTEEN_BIT_MODES):
                raise InputError(
                    f"{name}: expected 8 bits a channel, or 16 of grey, found mode {picture.mode}; "
                    f"convert the picture to 8 bits"
                )
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: cannot be read as a picture: expected {', '.join(PICTURE_FORMATS)}, found {_found(file)}"
        ) from error
    # Pillow's decoders raise nearly anything on damaged data.
    except Exception as error:
        raise InputError(f"{name}: cannot be read as a picture: {error}") from error


def _found(file: Path | bytes) -> str:
    """What there is instead of a picture that can be read."""
    kind = file_kind(file)
    if kind in PICTURE_FORMATS:
        return f"a damaged {kind}"
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    unknown = f"{size:,} bytes of an unknown kind"
    if isinstance(file, bytes):
        unknown += "; raw pixels must be encoded first, as PNG for example"
    return {"empty": "nothing", "unknown": unknown}.get(kind, kind)


def _paper(picture: Any) -> str:
    """What a picture of mode RGBA lies on: on white nothing would be left of one whose alpha alone says something."""
    pixels = np.asarray(picture)
    alpha = pixels[..., 3]
    if alpha.min() < alpha.max() and (pixels[alpha > 0, :3] >= _WHITE_FROM).all():
        return "black"
    return "white"


def _to_eight_bits(picture: Any, name: str) -> Any:
    levels = np.asarray(picture).astype(np.int64)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 0xFFFF:
        raise InputError(
            f"{name}: expected 16 bits of grey, 0 to 65535, found {low} to {high}; convert the picture to 8 bits"
        )
    grey = (levels + 128) // 257
    transparent = levels == picture.info.get("transparency")
    if transparent.any():
        grey[transparent] = 0 if (grey[~transparent] >= _WHITE_FROM).all() and not transparent.all() else 255
    return _to_pil(grey.astype(np.uint8))


def _to_pil(image: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def _check_fits(picture: Any, path: Path, shape: tuple[int, int, int], resize: bool, gray: bool) -> None:
    """Raise `InputError` if a picture does not have the shape, and what would change that was not asked for."""
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not gray:
        raise InputError(f"{path}: the model takes grey pictures, found colour; say --gray to turn it grey")
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{path}: the model takes {width}x{height} pixels (width x height), found "
            f"{picture.width}x{picture.height}; say --resize to scale and crop it"
        )

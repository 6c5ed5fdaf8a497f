"""Read image files (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, ``.npy``) and fit them to a model's image shape.

Images are resized, converted to grey or inverted only if the caller asks for it. These steps always apply.
Transparent parts become white; they become black if all visible pixels are white. An animation gives its first frame.
The orientation that a camera stores in EXIF is applied. 16-bit grey levels are divided by 257 and rounded, so that
white stays white.
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

# Pillow reads dozens more, by their content; some start other programs (EPS starts Ghostscript).
_FORMATS = tuple(map(str.upper, PICTURE_FORMATS))

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_GREY_MODES = ("1", "L", "LA", *_SIXTEEN_BIT_MODES)

_WHITE_FROM = 250  # level of a channel; lossy formats make white a few levels darker

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
        paths: image files, or ``.npy`` files of one image or many.
        shape: (H, W, C).
        resize: scale an image to cover H x W (Lanczos) and crop it evenly on both sides.
        gray: convert colour to grey by the luma of ITU-R 601-2.
        invert: swap light and dark.

    Returns:
        uint8 (N, H, W, C), in the order of the paths.

    Raises:
        InputError: a file cannot be read, or does not fit and the matching option is not set.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("zero.png").write_bytes(cvae.encode_png(np.zeros((28, 28, 1), np.uint8)))
        >>> cvae.read_images([Path("zero.png")], (28, 28, 1)).shape
        (1, 28, 28, 1)
    """
    if not paths:
        raise InputError("expected at least one image file; found none")
    batches = []
    # Ignore Pillow's warnings: it still reads these images, and real problems raise errors.
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
    """Fit the images of an array to a shape, as `read_images` does for files.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        path: name of the images in errors.
        shape, resize, gray, invert: see `read_images`.

    Returns:
        uint8 (N, H, W, C); the same array if there is nothing to change.

    Raises:
        InputError: the images do not fit, and the matching option is not set.
    """
    if images.shape[1:] != shape:
        _check_fits(_to_pil(images[0]), path, shape, resize, gray)
        images = np.stack([fit_picture(image, shape) for image in images])
    return np.bitwise_not(images) if invert else images


def stacked(array: NDArray[Any], path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Reshape a 2-D array to images; return other arrays unchanged.

    Args:
        array: (H, W), one image; or (N, H * W * C), N flat images.
        path: name of the array in errors.
        shape: (H, W, C) of the model, which distinguishes the two cases.

    Returns:
        (1, H, W) or (N, H, W, C), with the same values.

    Raises:
        InputError: a 2-D array has neither shape.
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
        f"{path}: expected an array of shape ({height}, {width}), one picture, or (N, {size}), flat pictures, found "
        f"shape {array.shape}; for one picture of another size use array[None], for flat ones array.reshape(-1, H, W)"
    )


def encoded_shape(file: Path | bytes, name: str) -> tuple[int, int, int]:
    """(H, W, C) of the image that `read_picture` makes of a file, read from the file's header.

    Raises:
        InputError: the header cannot be read, or `read_picture` does not support the image.
    """
    from PIL import Image

    with _opened(file, name) as picture:
        width, height = picture.size
        # PNG's own getexif would read all pixels first, since EXIF data may follow them.
        if Image.Image.getexif(picture).get(_ORIENTATION) in _ON_ITS_SIDE:
            width, height = height, width
        return height, width, 1 if picture.mode in _GREY_MODES else 3


def read_picture(file: Path | bytes, name: str) -> Any:
    """Read one image file; thread-safe.

    Args:
        file: the path, or the encoded bytes.
        name: name of the image in errors.

    Returns:
        A PIL image of mode L or RGB, upright and opaque.

    Raises:
        InputError: the file cannot be read, has more than 8 bits a channel (grey: 16), or has more pixels than
            Pillow's limit, ``Image.MAX_IMAGE_PIXELS``.
    """
    from PIL import Image, ImageOps

    with _opened(file, name) as encoded:
        # Apply the orientation. Of an animation this is the first frame.
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
    """Fit an image to a shape: convert it to grey or RGB, scale it to cover H x W, crop it evenly.

    Args:
        picture: a result of `read_picture`, or uint8 (H, W, C).
        shape: the target (H, W, C).

    Returns:
        uint8 (H, W, C), with the same pixels if the image has this shape already.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    picture = _to_pil(picture) if isinstance(picture, np.ndarray) else picture
    mode = "L" if channels == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)  # luma of ITU-R 601-2, or grey repeated in three channels
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(shape)


@contextmanager
def _opened(file: Path | bytes, name: str) -> Iterator[Any]:
    """Open an image and read its header; errors of the block become `InputError` with its name."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(file, Path):
        refuse_special(file)
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=_FORMATS) as picture:
            # Pillow only warns up to twice the limit; warning filters are not thread-safe, so check it here.
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
    """Describe a file that is not a readable image, for an error."""
    kind = file_kind(file)
    if kind in PICTURE_FORMATS:
        return f"a damaged {kind}"
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    unknown = f"{size:,} bytes of an unknown kind"
    if isinstance(file, bytes):
        unknown += "; raw pixels must be encoded first, as PNG for example"
    return {"empty": "nothing", "unknown": unknown}.get(kind, kind)


def _paper(picture: Any) -> str:
    """Background for an image of mode RGBA: black if alpha varies and all visible pixels are white, otherwise white."""
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
    """Raise `InputError` if an image does not have the shape and the option that would change it is not set."""
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not gray:
        raise InputError(f"{path}: the model takes grey pictures, found colour; pass --gray to turn it grey")
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{path}: the model takes {width}x{height} pixels (width x height), found "
            f"{picture.width}x{picture.height}; pass --resize to scale and crop it"
        )

"""Read image files (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, ``.npy``) and fit them to a model's image shape.

Images are resized, converted to grey or inverted only if the caller asks for it. These steps always apply.
Transparent parts become white; they become black if all visible pixels are white. An animation gives its first frame.
The orientation that a camera stores in EXIF is applied. 16-bit grey levels are divided by 257 and rounded, so that
white stays white.
"""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import PIL.Image

from .._errors import InputError
from .._system import refuse_special
from .arrays import as_images, read_npy
from .file_kind import IMAGE_FORMATS, NPY, file_kind
from .folder import describe_skipped, find_images, no_images_in

ImageFile = Union[str, os.PathLike[str], "PIL.Image.Image"]

_log = logging.getLogger("cvae_runtime")

# Pillow reads dozens more, by their content; some start other programs (EPS starts Ghostscript).
_FORMATS = tuple(map(str.upper, IMAGE_FORMATS))

_EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_GREY_MODES = ("1", "L", "LA", *_SIXTEEN_BIT_MODES)

_WHITE_FROM = 250  # level of a channel; lossy formats make white a few levels darker

_ORIENTATION = 0x0112  # EXIF's tag
_ON_ITS_SIDE = (5, 6, 7, 8)


def read_images(
    files: ImageFile | Sequence[ImageFile],
    shape: tuple[int, int, int],
    *,
    resize: bool = False,
    grey: bool = False,
    invert: bool = False,
) -> NDArray[np.uint8]:
    """Read images for a model of image shape (H, W, C).

    Transparent parts become white; they become black if all visible pixels are white. An animation gives its first
    frame. The orientation that a camera stores in EXIF is applied.

    Args:
        files: a path, a PIL image, or a list of both. A path names an image file, an ``.npy`` file of one image or
            many, or a folder. The images of a folder and its subfolders are read in the order of their paths; the log
            names the other files.
        shape: (H, W, C).
        resize: scale an image to cover H x W (Lanczos) and crop it evenly on both sides.
        grey: convert colour to grey by the luma of ITU-R 601-2.
        invert: swap light and dark.

    Returns:
        uint8 (N, H, W, C), in the order of the files.

    Raises:
        InputError: a file cannot be read, or does not fit and the matching option is not set.

    Examples:
        >>> cvae.show(cvae.load().generate(1), padding=0).save("digit.png")  # 56 x 56 pixels
        >>> cvae.read_images(["digit.png"], (28, 28, 1), resize=True).shape
        (1, 28, 28, 1)
    """
    listed: dict[str, Any] = {"images": files}
    if isinstance(files, Sequence) and not isinstance(files, str):
        listed = {f"images[{index}]": file for index, file in enumerate(files)}
    if not listed:
        raise InputError("expected at least one image file; found none")
    images = read_named(listed, shape, resize=resize, grey=grey)
    return np.bitwise_not(images) if invert else images


def read_named(
    listed: Mapping[str, Any], shape: tuple[int, int, int], *, resize: bool = False, grey: bool = False
) -> NDArray[np.uint8]:
    """Read files and PIL images by their names in errors; see `read_images`."""
    batches = []
    # Ignore Pillow's warnings: it still reads these images, and real problems raise errors.
    with warnings.catch_warnings(action="ignore"):
        for label, file in listed.items():
            if not is_image_file(file):
                raise InputError(f"{label} must be a path or a PIL image; found {type(file).__name__}")
            if not isinstance(file, str | os.PathLike):
                batches.append(_fitted(from_pillow(file, label), label, shape, resize, grey))
                continue
            for path in _files_of(Path(file)):
                if path.suffix == ".npy" or file_kind(path) == NPY:
                    pictures = as_images(stacked(read_npy(path), path, shape), str(path))
                    batches.append(fit_images(pictures, path, shape, resize=resize, grey=grey))
                else:
                    batches.append(_fitted(read_image(path, str(path)), path, shape, resize, grey))
    return np.concatenate(batches)


def is_image_file(value: Any) -> bool:
    """Return whether ``value`` is a path or a PIL image."""
    pillow = sys.modules.get("PIL.Image")  # before its import there are no PIL images
    return isinstance(value, str | os.PathLike) or (pillow is not None and isinstance(value, pillow.Image))


def _files_of(path: Path) -> list[Path]:
    """The images of a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    found = find_images(path)
    if not found.names:
        raise no_images_in(path, found.skipped)
    if found.skipped:
        _log.warning("%s: %s", path, describe_skipped(found.skipped))
    return [path / name for name in found.names]


def _fitted(picture: Any, name: Path | str, shape: tuple[int, int, int], resize: bool, grey: bool) -> NDArray[np.uint8]:
    _check_fits(picture, name, shape, resize, grey)
    return fit_image(picture, shape)[np.newaxis]


def fit_images(
    images: NDArray[np.uint8],
    path: Path,
    shape: tuple[int, int, int],
    *,
    resize: bool = False,
    grey: bool = False,
    invert: bool = False,
) -> NDArray[np.uint8]:
    """Fit the images of an array to a shape, as `read_images` does for files.

    Args:
        images: uint8 (N, H, W, C), N at least 1.
        path: name of the images in errors.
        shape, resize, grey, invert: see `read_images`.

    Returns:
        uint8 (N, H, W, C); the same array if there is nothing to change.

    Raises:
        InputError: the images do not fit, and the matching option is not set.
    """
    if images.shape[1:] != shape:
        _check_fits(_to_pil(images[0]), path, shape, resize, grey)
        images = np.stack([fit_image(image, shape) for image in images])
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
        f"{path}: expected an array of shape ({height}, {width}), one image, or (N, {size}), flat images, found "
        f"shape {array.shape}; for one image of another size use array[None], for flat ones array.reshape(-1, H, W)"
    )


def encoded_shape(file: Path | bytes, name: str) -> tuple[int, int, int]:
    """(H, W, C) of the image that `read_image` makes of a file, read from the file's header.

    Raises:
        InputError: the header cannot be read, or `read_image` does not support the image.

    Examples:
        >>> images.encoded_shape(cvae.encode_png(np.zeros((20, 30, 3), np.uint8)), "my image")
        (20, 30, 3)
    """
    from PIL import Image

    with _opened(file, name) as picture:
        width, height = picture.size
        # PNG's own getexif would read all pixels first, since EXIF data may follow them.
        if Image.Image.getexif(picture).get(_ORIENTATION) in _ON_ITS_SIDE:
            width, height = height, width
        return height, width, 1 if picture.mode in _GREY_MODES else 3


def read_image(file: Path | bytes, name: str) -> Any:
    """Read one image file; thread-safe.

    Args:
        file: the path, or the encoded bytes.
        name: name of the image in errors.

    Returns:
        A PIL image of mode L or RGB, upright and opaque.

    Raises:
        InputError: the file cannot be read, has more than 8 bits a channel (grey: 16), or has more pixels than
            Pillow's limit, ``Image.MAX_IMAGE_PIXELS``.

    Examples:
        >>> cvae.show(cvae.load().generate(1), padding=0).save("digit.png")
        >>> images.read_image(Path("digit.png"), "my image").size
        (56, 56)
    """
    from PIL import ImageOps

    with _opened(file, name) as encoded:
        # Apply the orientation. Of an animation this is the first frame.
        picture = ImageOps.exif_transpose(encoded)
    return _flat(picture, name)


def from_pillow(picture: "PIL.Image.Image", name: str) -> Any:
    """Convert a PIL image as `read_image` converts that of a file."""
    from PIL import ImageOps

    with _pillow_errors(name, lambda: "another"):
        _check_encoded(picture, name)
        upright = ImageOps.exif_transpose(picture)
    return _flat(upright, name)


def _flat(picture: Any, name: str) -> Any:
    """Convert an upright image to an opaque one of mode L or RGB."""
    from PIL import Image

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


def fit_image(picture: Any, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Fit an image to a shape: convert it to grey or RGB, scale it to cover H x W, crop it evenly.

    Args:
        picture: a result of `read_image`, or uint8 (H, W, C).
        shape: the target (H, W, C).

    Returns:
        uint8 (H, W, C), with the same pixels if the image has this shape already.

    Examples:
        >>> images.fit_image(np.zeros((60, 40, 3), np.uint8), (28, 28, 1)).shape
        (28, 28, 1)
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
    from PIL import Image

    if isinstance(file, Path):
        refuse_special(file)
    with (
        _pillow_errors(name, lambda: _found(file)),
        Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=_FORMATS) as picture,
    ):
        _check_encoded(picture, name)
        yield picture


def _check_encoded(picture: Any, name: str) -> None:
    """Raise `InputError` for too many pixels, or a mode that is not supported."""
    from PIL import Image

    # Pillow only warns up to twice the limit; warning filters are not thread-safe, so check it here.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and picture.width * picture.height > limit:
        raise InputError(
            f"{name}: expected at most {limit:,} pixels, found {picture.width}x{picture.height} "
            f"(width x height); make the image smaller"
        )
    if picture.mode not in (*_EIGHT_BIT_MODES, *_SIXTEEN_BIT_MODES):
        raise InputError(
            f"{name}: expected 8 bits a channel, or 16 of grey, found mode {picture.mode}; convert the image to 8 bits"
        )


@contextmanager
def _pillow_errors(name: str, found: Callable[[], str]) -> Iterator[None]:
    """Turn Pillow's errors into `InputError` with a name; ``found`` describes a file of unknown format."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: cannot be read as an image: expected {', '.join(IMAGE_FORMATS)}, found {found()}"
        ) from error
    # Pillow's decoders raise nearly anything on damaged data.
    except Exception as error:
        raise InputError(f"{name}: cannot be read as an image: {error}") from error


def _found(file: Path | bytes) -> str:
    """Describe a file that is not a readable image, for an error."""
    kind = file_kind(file)
    if kind in IMAGE_FORMATS:
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
            f"{name}: expected 16 bits of grey, 0 to 65535, found {low} to {high}; convert the image to 8 bits"
        )
    grey = (levels + 128) // 257
    transparent = levels == picture.info.get("transparency")
    if transparent.any():
        grey[transparent] = 0 if (grey[~transparent] >= _WHITE_FROM).all() and not transparent.all() else 255
    return _to_pil(grey.astype(np.uint8))


def _to_pil(image: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def _check_fits(picture: Any, name: Path | str, shape: tuple[int, int, int], resize: bool, grey: bool) -> None:
    """Raise `InputError` if an image does not have the shape and the option that would change it is not set."""
    height, width, channels = shape
    if channels == 1 and picture.mode != "L" and not grey:
        raise InputError(
            f"{name}: the model takes grey images, found colour; "
            f"pass --grey, in Python read_images(..., grey=True), to turn it grey"
        )
    if picture.size != (width, height) and not resize:
        raise InputError(
            f"{name}: the model takes {width}x{height} pixels (width x height), found "
            f"{picture.width}x{picture.height}; "
            f"pass --resize, in Python read_images(..., resize=True), to scale and crop it"
        )

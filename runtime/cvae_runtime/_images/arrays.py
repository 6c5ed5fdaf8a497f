"""Read and write NumPy files; convert arrays of images to uint8 (N, H, W, C), the layout used everywhere."""

import io
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import CvaeError, InputError
from .._system import refuse_size, refuse_special

_SPAN_BYTES = 1 << 24


def read_npy(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Read one ``.npy`` file; pickled objects are an error.

    Args:
        path: the file.
        mapped: leave the values on the disk, as a read-only `numpy.memmap`.

    Raises:
        InputError: the file cannot be read or is not an ``.npy`` file.

    Examples:
        >>> np.save("numbers.npy", np.arange(3))
        >>> images.read_npy(Path("numbers.npy")).tolist()
        [0, 1, 2]
    """
    with _numpy_errors(path), path.open("rb") as file:
        if mapped:
            return np.lib.format.open_memmap(path, mode="r")
        refuse_size(str(path), os.fstat(file.fileno()).st_size)
        return np.lib.format.read_array(file, allow_pickle=False)


def read_npz(path: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    """Read the named arrays of an ``.npz`` file; pickled objects are an error.

    Raises:
        InputError: the file cannot be read, is not an ``.npz`` file or lacks one of the arrays.

    Examples:
        >>> np.savez("numbers.npz", a=np.arange(3), b=np.zeros(2))
        >>> (a,) = images.read_npz(Path("numbers.npz"), ["a"])
        >>> a.tolist()
        [0, 1, 2]
    """
    with _archive(path) as archive:
        for name in names:
            if name not in archive.files:
                found = ", ".join(archive.files) or "none"
                raise InputError(f"{path}: expected the arrays {' and '.join(names)}, found {found}")
        assert archive.zip is not None  # while the archive is open
        members = [info for info in archive.zip.infolist() if info.filename.removesuffix(".npy") in names]
        refuse_size(
            str(path), sum(info.file_size for info in members)
        )  # unpacked sizes; zipfile reads no more than these
        return [archive[name] for name in names]


def npz_names(path: Path) -> list[str]:
    """Names of the arrays of an ``.npz`` file.

    Raises:
        InputError: the file cannot be read or is not an ``.npz`` file.

    Examples:
        >>> np.savez("numbers.npz", a=np.arange(3), b=np.zeros(2))
        >>> images.npz_names(Path("numbers.npz"))
        ['a', 'b']
    """
    with _archive(path) as archive:
        return list(archive.files)


@contextmanager
def _archive(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    # Open the file here: NumPy leaves a damaged file open.
    with _numpy_errors(path), path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
        yield archive


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Encode an array as the content of an ``.npy`` file.

    Examples:
        >>> _ = Path("numbers.npy").write_bytes(images.npy_bytes(np.arange(3)))
        >>> np.load("numbers.npy").tolist()
        [0, 1, 2]
    """
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def write_npy_header(file: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write the header of an ``.npy`` file; the caller writes the values after it, in C order."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def npz_bytes(arrays: Mapping[str, NDArray[Any]], *, compress: bool = False) -> bytes:
    """Encode named arrays as the content of an ``.npz`` file; names may contain slashes.

    Examples:
        >>> _ = Path("numbers.npz").write_bytes(images.npz_bytes({"a": np.arange(3), "b": np.zeros(2)}))
        >>> np.load("numbers.npz")["a"].tolist()
        [0, 1, 2]
    """
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in arrays.items():
            # ZipInfo's default date is fixed, so the same arrays give the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy_bytes(array), compress_type=method)
    return buffer.getvalue()


@contextmanager
def _numpy_errors(path: Path) -> Iterator[None]:
    """Raise `InputError` with the file's name instead of NumPy's errors; damaged files raise nearly any type."""
    refuse_special(path)
    try:
        yield
    except CvaeError:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and ("allow_pickle" in str(error) or "Python objects" in str(error)):
            raise InputError(
                f"{path}: expected an array of numbers, found pickled objects, which can run any code; save them as "
                f"numbers: numpy.save(path, numpy.stack(list(array)))"
            ) from error
        raise InputError(f"{path}: cannot be read as a NumPy file: {error}") from error


def as_images(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Convert images to uint8 (N, H, W, C).

    Args:
        array: (N, H, W) for one channel, or (N, H, W, C) with C 1 or 3. Either uint8; or float with values in [0, 1],
            which are scaled by 255 and rounded; or bool, which becomes 0 and 255. A `numpy.memmap` of uint8 remains
            a `numpy.memmap`.
        name: name of the array in errors.

    Raises:
        InputError: another dtype or shape, no images, values out of range or not finite.

    Examples:
        >>> pixels = images.as_images(np.ones((3, 28, 28)), "my array")
        >>> pixels.shape, pixels.dtype, int(pixels.max())
        ((3, 28, 28, 1), dtype('uint8'), 255)
    """
    shape = shape_of_images(array, name)
    array = array.reshape(len(array), *shape)
    if array.dtype == np.uint8:
        # ascontiguousarray would load a whole memmap, or drop its type.
        return array if isinstance(array, np.memmap) else np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    pixels = np.empty(array.shape, np.uint8)
    for span in spans(len(array), array[0].nbytes):
        _check_range(array[span], name)
        # Rounding half to even turns 0.5 into 128: thresholds of 0.5 and of level 128 agree.
        pixels[span] = np.rint(array[span] * array.dtype.type(255))
    return pixels


def _check_range(values: NDArray[Any], name: str) -> None:
    """Raise `InputError` unless floats are in [0, 1]."""
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and high <= 1.0:  # False for NaN
        return
    expected = f"{name}: float images must lie in [0, 1], found"
    if not math.isfinite(low) or not math.isfinite(high):
        count = int((~np.isfinite(values)).sum())
        raise InputError(f"{expected} NaN or infinity ({count:,} times); replace them with numpy.nan_to_num")
    advice = "scale them to [0, 1]"
    if low >= 0.0 and high <= 255.0:
        advice = "divide 0-255 values by 255"
    elif low >= -1.0 and high <= 1.0:
        advice = "for values in [-1, 1] use (array + 1) / 2"
    raise InputError(f"{expected} {low:g} to {high:g}; {advice}")


def shape_of_images(array: NDArray[Any], name: str) -> tuple[int, int, int]:
    """(H, W, C) of the images in an array for `as_images`, from dtype and shape alone.

    Raises:
        InputError: the dtype or shape is not one of images, or there are no images.

    Examples:
        >>> images.shape_of_images(np.zeros((3, 28, 28), np.uint8), "my array")
        (28, 28, 1)
    """
    if array.ndim not in (3, 4) or array.shape[3:] not in ((), (1,), (3,)):
        advice = _reshaped(array.shape)
        raise InputError(
            f"{name}: expected images of shape (N, H, W) or (N, H, W, C) with C 1 or 3, found shape {array.shape}"
            f"{f'; {advice}' if advice else ''}"
        )
    if 0 in array.shape:
        raise InputError(f"{name}: expected at least one image, found an empty set of shape {array.shape}")
    if array.dtype.kind not in "bf" and array.dtype != np.uint8:
        advice = _conversion(array) if array.dtype.kind in "iu" else "convert it"
        raise InputError(f"{name}: expected uint8, bool, or float in [0, 1], found {array.dtype}; {advice}")
    height, width, channels = (*array.shape[1:], 1)[:3]
    return height, width, channels


def _conversion(array: NDArray[Any]) -> str:
    """The expression that makes an array of other integers one of images."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        return "divide by the level of white: array / 65535 for example"
    return f"convert it: {'(255 * array)' if high <= 1 else 'array'}.astype(numpy.uint8)"


def _reshaped(shape: tuple[int, ...]) -> str | None:
    """Advice that turns an array of another shape into images; None for other shapes."""
    if len(shape) == 4:
        if shape[1] in (1, 3):
            return "channels come last: array.transpose(0, 2, 3, 1)"
        if shape[2] in (1, 3):
            return "images come first: array.transpose(3, 0, 1, 2)"
        if shape[3] == 4:
            return "drop the fourth channel: array[..., :3]"
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        return f"for flat images use array.reshape(-1, {f'{side}, {side}' if side**2 == shape[1] else 'H, W'})"
    return None


def spans(count: int, item_bytes: int) -> Iterator[slice]:
    """Split ``range(count)`` into slices of at most 16 MiB, or one item: the unit for reading large arrays.

    Examples:
        >>> list(images.spans(count=5, item_bytes=8 << 20))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, _SPAN_BYTES // item_bytes)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))

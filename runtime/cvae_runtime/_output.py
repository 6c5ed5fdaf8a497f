"""Where a command's images go: one picture, one array, a file an image, or stdout."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import npy_bytes, npz_bytes
from ._errors import InputError
from ._files import refuse_existing, write_file
from ._pictures import encode_gif, encode_png, picture_grid, to_uint8

FORMATS = ("png", "gif", "npy", "npz")

_PICTURE_LIMIT = 10_000  # images in one picture
_SCALE_UP_TO = 64  # pixels; smaller images are drawn larger in a grid
_GRID_SCALE = 2
_FRAME_MILLISECONDS = 200


class Output:
    """A target that was checked before any work.

    Args:
        name: a file, a folder if ``separate``, or "-" for stdout.
        form: one of `FORMATS`; by the name's ending if None, and png where that says nothing.
        separate: a file an image.
        overwrite: replace files that are there.
        dtype: of arrays: "float32", in [0, 1], or "uint8".
    """

    def __init__(self, name: str, form: str | None, *, separate: bool, overwrite: bool, dtype: str | None) -> None:
        self._stdout = name == "-"
        self._path = Path(name)
        ending = self._path.suffix[1:].lower()
        if form is None and ending and not separate and not self._stdout and ending not in FORMATS:
            raise InputError(f"{name}: expected a name that ends in .{', .'.join(FORMATS)}; or say --format")
        self.form = form or (ending if ending in FORMATS and not separate else "png")
        self._separate, self._overwrite = separate, overwrite
        if dtype is not None and not self.is_array:
            raise InputError(f"--dtype is for npy and npz; a {self.form} holds grey levels")
        self._uint8 = dtype == "uint8"
        if separate and (self._stdout or self.form in ("gif", "npz")):
            raise InputError("--separate writes png or npy files into a folder; name one with --output")

    @property
    def is_array(self) -> bool:
        """Whether numbers are written, not pictures."""
        return self.form in ("npy", "npz")

    def check(self, count: int) -> None:
        """Raise an `InputError` or `TargetExistsError` if ``count`` images cannot be written."""
        if self._separate:
            if self._path.exists() and not self._path.is_dir():
                raise InputError(f"{self._path}: expected a folder for --separate, found a file")
            if self._path.is_dir() and any(self._path.glob("image_*")):
                refuse_existing(self._path, self._overwrite)
            return
        if not self.is_array and count > _PICTURE_LIMIT:
            raise InputError(
                f"{count:,} images are too many for one {self.form} (at most {_PICTURE_LIMIT:,}); "
                f"say --format npy or --separate"
            )
        if self._stdout:
            if sys.stdout.isatty():
                raise InputError("refusing to write binary data to a terminal; redirect it, or name a file with -o")
        else:
            refuse_existing(self._path, self._overwrite)

    def write(self, images: NDArray[np.float32], arrays: Mapping[str, NDArray[Any]], first: int = 0) -> None:
        """Write images, float32 (N, H, W, C); an npz gets ``arrays``, and separate names count from ``first``."""
        if self._separate:
            self._write_separate(images, first)
        elif self.form == "npz":
            self._write(npz_bytes({**arrays, "images": self._convert(images)}, compress=True))
        elif self.form == "npy":
            self._write(npy_bytes(self._convert(images)))
        elif self.form == "gif":
            scale = _scale(images.shape[1:])
            self._write(encode_gif([_enlarge(image, scale) for image in to_uint8(images)], _FRAME_MILLISECONDS))
        else:
            self._write(encode_png(picture_grid(to_uint8(images), scale=_scale(images.shape[1:]))))

    def write_pairs(self, originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8]) -> None:
        """Draw each original above its reconstruction, uint8 (N, H, W, C) each."""
        pairs = np.stack([originals, reconstructions], axis=1)  # (N, 2, H, W, C)
        scale = _scale(originals.shape[1:])
        if self._separate:
            self._write_files([encode_png(picture_grid(pair, columns=1, scale=scale)) for pair in pairs], 0)
        elif self.form == "gif":
            frames = [picture_grid(pair, columns=1, scale=scale) for pair in pairs]
            self._write(encode_gif(frames, _FRAME_MILLISECONDS))
        else:
            # Rows of pairs: as many columns as make the picture about square.
            columns = max(1, min(len(pairs), math.ceil(math.sqrt(2 * len(pairs)))))
            rows = [pairs[start : start + columns] for start in range(0, len(pairs), columns)]
            cells = np.concatenate([_pad(row.swapaxes(0, 1), columns).reshape(-1, *pairs.shape[2:]) for row in rows])
            self._write(encode_png(picture_grid(cells, columns=columns, scale=scale)))

    def _write_separate(self, images: NDArray[np.float32], first: int) -> None:
        if self.form == "npy":
            self._write_files([npy_bytes(image) for image in self._convert(images)], first)
        else:
            self._write_files([encode_png(image) for image in to_uint8(images)], first)

    def _write_files(self, contents: list[bytes], first: int) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {self._path}: {error.strerror}") from error
        for index, data in enumerate(contents, first):
            write_file(self._path / f"image_{index:06d}.{self.form}", data)

    def _write(self, data: bytes) -> None:
        if self._stdout:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            write_file(self._path, data)

    def _convert(self, images: NDArray[np.float32]) -> NDArray[Any]:
        return to_uint8(images) if self._uint8 else images


def _scale(shape: tuple[int, ...]) -> int:
    return _GRID_SCALE if max(shape[:2]) <= _SCALE_UP_TO else 1


def _enlarge(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _pad(row: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Fill a last row of pairs, (2, n, H, W, C), up with grey cells, so that what follows stays in its column."""
    missing = columns - row.shape[1]
    return np.pad(row, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)), constant_values=128)

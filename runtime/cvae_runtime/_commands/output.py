"""Write a command's images: one picture, one array, a file for each image, or stdout."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError, TargetExistsError
from .._images import (
    caption_cells,
    caption_rows,
    encode_gif,
    encode_png,
    grid_scale,
    image_grid,
    npy_bytes,
    npz_bytes,
    to_uint8,
)
from .._system import check_stdout, make_folder, refuse_existing, write_file

FORMATS = ("png", "gif", "npy", "npz")

_PICTURE_LIMIT = 10_000  # images in one picture
_FRAME_MILLISECONDS = 200
_ROW = 20  # images; longer rows wrap


class Output:
    """Writer of images to a target; the options are checked before any work.

    Args:
        name: a file, a folder if ``separate``, or "-" for stdout.
        file_format: one of `FORMATS`; None: by the name's suffix, png without one.
        separate: write each image to its own file.
        overwrite: replace existing files.
        dtype: type of arrays: "float32", in [0, 1], or "uint8".
        scale: factor of enlargement; None: 2 in grids of small images, otherwise 1.
        captions: draw captions.
    """

    def __init__(
        self,
        name: str,
        file_format: str | None,
        *,
        separate: bool,
        overwrite: bool,
        dtype: str | None,
        scale: int | None = None,
        captions: bool = False,
    ) -> None:
        self._stdout = name == "-"
        self._path = Path(name)
        ending = self._path.suffix[1:].lower()
        if file_format is None and ending and not separate and not self._stdout and ending not in FORMATS:
            raise InputError(f"{name}: expected a name that ends in .{', .'.join(FORMATS)}; or pass --format")
        self.format = file_format or (ending if ending in FORMATS and not separate else "png")
        self._separate, self._overwrite = separate, overwrite
        if dtype is not None and not self.is_array:
            raise InputError(f"--dtype is for npy and npz; a {self.format} holds grey levels")
        self._uint8 = dtype == "uint8"
        if separate and (self._stdout or self.format in ("gif", "npz")):
            raise InputError("--separate writes png or npy files into a folder; name one with --output")
        if self.is_array and (scale is not None or captions):
            raise InputError(f"--scale and --captions are for pictures; a {self.format} holds numbers")
        if separate and captions:
            raise InputError("--captions is for one picture; separate files have their numbers in their names")
        self._scale, self._captions = scale, captions

    @property
    def is_array(self) -> bool:
        """Whether the format holds arrays, not pictures."""
        return self.format in ("npy", "npz")

    def check(self, count: int) -> None:
        """Raise an `InputError` or `TargetExistsError` if ``count`` images cannot be written."""
        if self._separate:
            if self._path.exists() and not self._path.is_dir():
                raise InputError(f"{self._path}: expected a folder for --separate, found a file")
            there = list(self._path.glob("image_*")) if self._path.is_dir() else []
            if there and not self._overwrite:
                raise TargetExistsError(f"{self._path} exists already; choose another name or pass --overwrite")
            for path in there:
                refuse_existing(path, self._overwrite)
            return
        if not self.is_array and count > _PICTURE_LIMIT:
            raise InputError(
                f"{count:,} images are too many for one {self.format} (at most {_PICTURE_LIMIT:,}); "
                f"pass --format npy or --separate"
            )
        if self._stdout:
            check_stdout()
            if sys.stdout.isatty():
                raise InputError("refusing to write binary data to a terminal; redirect it, or name a file with -o")
        else:
            refuse_existing(self._path, self._overwrite)

    def write(self, images: NDArray[np.float32], arrays: Mapping[str, NDArray[Any]], first: int = 0) -> None:
        """Write images.

        Args:
            images: float32 (N, H, W, C).
            arrays: more arrays for an npz.
            first: index of the first image, for captions and for the names of separate files.
        """
        if self._separate:
            self._write_separate(images, first)
        elif self.format == "npz":
            self._write(npz_bytes({**arrays, "images": self._convert(images)}, compress=True))
        elif self.format == "npy":
            self._write(npy_bytes(self._convert(images)))
        else:
            cells = self._cells(images, [str(index) for index in range(first, first + len(images))])
            self._write(
                encode_gif(list(cells), _FRAME_MILLISECONDS) if self.format == "gif" else encode_png(image_grid(cells))
            )

    def write_rows(
        self,
        images: NDArray[np.float32],
        arrays: Mapping[str, NDArray[Any]],
        *,
        captions: Sequence[str] = (),
        padding: int = 1,
    ) -> None:
        """Write images in rows.

        A png shows the rows, with a caption before each; a gif shows one column after another, forwards and backwards.

        Args:
            images: float32 (rows, columns, H, W, C), or one row, (columns, H, W, C).
            arrays: more arrays for an npz.
            captions: one for each row.
            padding: pixels between images.
        """
        rows = images if images.ndim == 5 else images[np.newaxis]
        if self._separate:
            self.write(rows.reshape(-1, *rows.shape[2:]), arrays)
        elif self.is_array:
            self.write(images, arrays)
        elif self.format == "gif":
            frames = [image_grid(self._cells(column, captions), padding=padding) for column in rows.swapaxes(0, 1)]
            self._write(encode_gif(frames + frames[-2:0:-1], _FRAME_MILLISECONDS))
        else:
            columns = rows.shape[1] if len(rows) > 1 else min(rows.shape[1], _ROW)
            grid = image_grid(self._cells(rows.reshape(-1, *rows.shape[2:])), columns, padding=padding)
            self._write(encode_png(caption_rows(grid, captions, padding) if self._captions else grid))

    def write_pairs(self, originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8]) -> None:
        """Draw each original above its reconstruction, uint8 (N, H, W, C) each."""
        pairs = np.stack([originals, reconstructions], axis=1)  # (N, 2, H, W, C)
        scale = self._scale or grid_scale(originals.shape[1:])
        if self._separate:
            self._write_files([encode_png(image_grid(pair, columns=1, scale=scale)) for pair in pairs], 0)
        elif self.format == "gif":
            frames = [image_grid(pair, columns=1, scale=scale) for pair in pairs]
            self._write(encode_gif(frames, _FRAME_MILLISECONDS))
        else:
            # Choose the number of columns that makes the picture about square.
            columns = max(1, min(len(pairs), math.ceil(math.sqrt(2 * len(pairs)))))
            rows = [pairs[start : start + columns] for start in range(0, len(pairs), columns)]
            cells = np.concatenate([_pad(row.swapaxes(0, 1), columns).reshape(-1, *pairs.shape[2:]) for row in rows])
            self._write(encode_png(image_grid(cells, columns=columns, scale=scale)))

    def _write_separate(self, images: NDArray[np.float32], first: int) -> None:
        if self.format == "npy":
            self._write_files([npy_bytes(image) for image in self._convert(images)], first)
        else:
            self._write_files([encode_png(_enlarge(image, self._scale or 1)) for image in to_uint8(images)], first)

    def _cells(self, images: NDArray[np.float32], captions: Sequence[str] = ()) -> NDArray[np.uint8]:
        """Enlarge images, (N, H, W, C), and draw captions below them if the option is set."""
        cells = _enlarge(to_uint8(images), self._scale or grid_scale(images.shape[1:]))
        return caption_cells(cells, captions) if self._captions and captions else cells

    def _write_files(self, contents: list[bytes], first: int) -> None:
        make_folder(self._path)
        for index, data in enumerate(contents, first):
            write_file(self._path / f"image_{index:06d}.{self.format}", data)

    def _write(self, data: bytes) -> None:
        if self._stdout:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            write_file(self._path, data)

    def _convert(self, images: NDArray[np.float32]) -> NDArray[Any]:
        return to_uint8(images) if self._uint8 else images


def _enlarge(images: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    return images.repeat(scale, axis=-3).repeat(scale, axis=-2)


def _pad(row: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Pad the last row of pairs, (2, n, H, W, C), with grey cells to ``columns``."""
    missing = columns - row.shape[1]
    return np.pad(row, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)), constant_values=128)

"""Parts of a table of codes, which any process that sees the images can make."""

import dataclasses
import functools
import secrets
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError
from .._images import ImageSource, check_cut, evenly_spaced, lost_images, open_images
from .._model import Model
from .anomalies import lowest_rows
from .codes import Columns, code_columns

_LOOKED_AT = 100  # images


class Part(NamedTuple):
    """Some rows of the table.

    Attributes:
        columns: all of them.
        rows: those of the lowest ELBO, strangest first.
        images: of these, uint8 (N, H, W, C).
        lost: how many of all images the model's cut makes all black or all white.
    """

    columns: Columns
    rows: NDArray[np.intp]
    images: NDArray[np.uint8]
    lost: int


@dataclasses.dataclass(frozen=True)
class Encoding:
    """What is to be encoded, and how; called as an engine calls its work.

    Attributes:
        path, resize, gray, invert: the images, as for `open_images`.
        samples, seed: as for `Model.score`.
        strangest: how many images of a part are given back.
        job: tells this job from others, for files that have changed since an earlier one.
    """

    path: Path
    resize: bool
    gray: bool
    invert: bool
    samples: int
    seed: int
    lowest: int
    job: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))

    def open(self, shape: tuple[int, int, int]) -> ImageSource:
        """Find the images, once a process and job."""
        return _open(self, shape)

    def __call__(self, model: Model, name: str, indices: range) -> Part:
        """Encode the images of these indices; ``name`` says how many there must be.

        Raises:
            InputError: there are others here than where the work was cut.
        """
        source = self.open(model.image_shape)
        if str(source.count) != name.rpartition(" of ")[2]:
            raise InputError(
                f"{self.path}: found {source.count} images, expected {name}; all machines of a cluster must see the same"
            )
        images = source.read(indices.start, indices.stop)
        columns: Columns = {"index": np.arange(indices.start, indices.stop, dtype=np.int64)}
        if source.names is not None:
            widest = max(map(len, source.names))
            columns["path"] = np.array(source.names[indices.start : indices.stop], f"<U{widest}")
        columns |= code_columns(model, images, indices.start, samples=self.samples, seed=self.seed)
        rows = lowest_rows(columns["elbo"], self.lowest)
        return Part(columns, rows, images[rows], lost_images(images, _cut_of(model)))

    def check_cut(self, model: Model) -> None:
        """Look at some of the images.

        Raises:
            InputError: the model cuts grey levels, and sees each of them all black or all white.
        """
        cut, source = _cut_of(model), self.open(model.image_shape)
        if cut is None:
            return
        images = np.concatenate([source.read(n, n + 1) for n in evenly_spaced(source.count, _LOOKED_AT).tolist()])
        check_cut(images, cut, str(self.path))

    def parts(self, count: int, size: int) -> dict[str, range]:
        """Cut ``count`` images into parts of ``size``, by names."""
        starts = range(0, count, size)
        return {f"{start} of {count}": range(start, min(start + size, count)) for start in starts}


def _cut_of(model: Model) -> int | None:
    return model.manifest.model.preprocessing.binarize_at


@functools.lru_cache(maxsize=1)
def _open(encoding: Encoding, shape: tuple[int, int, int]) -> ImageSource:
    return open_images(encoding.path, shape, resize=encoding.resize, gray=encoding.gray, invert=encoding.invert)

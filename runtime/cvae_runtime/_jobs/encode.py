"""Encode images a batch at a time, in any process that can read them."""

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

_CHECKED = 100  # images


class Batch(NamedTuple):
    """A task of the job: the indices of some images, and the number of all images."""

    indices: range
    total: int

    def __str__(self) -> str:
        return f"images {self.indices.start:,} to {self.indices.stop - 1:,} of {self.total:,}"


class EncodedBatch(NamedTuple):
    """The result of a `Batch`.

    Attributes:
        columns: arrays by name, one entry for each image of the batch.
        rows: positions of the lowest ELBOs in the batch, ascending by ELBO.
        images: the images of ``rows``, uint8 (N, H, W, C).
        lost: number of the batch's images that the model's threshold makes all black or all white.
        strange: positions of the highest scores among the batch's alarms, descending; none unless alarms are asked for.
        strange_images: the images of ``strange``, uint8 (N, H, W, C).
    """

    columns: Columns
    rows: NDArray[np.intp]
    images: NDArray[np.uint8]
    lost: int
    strange: NDArray[np.intp]
    strange_images: NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Encoding:
    """Images to encode, and options; an instance is the work that an `Executor` calls.

    Attributes:
        path, resize, grey, invert: the images, as for `open_images`.
        samples, seed: as for `Model.score`.
        lowest: number of images of the lowest ELBO that each batch returns.
        classify, alarms: see `code_columns`.
        drawn: number of alarms that each batch returns the images of.
        job: identifies this job, so that a later job opens changed files again.
    """

    path: Path
    resize: bool
    grey: bool
    invert: bool
    samples: int
    seed: int
    lowest: int
    classify: bool = False
    alarms: bool = False
    drawn: int = 0
    job: str = dataclasses.field(default_factory=lambda: secrets.token_hex(8))

    def open(self, shape: tuple[int, int, int]) -> ImageSource:
        """Open the images; the result is cached for each process and job."""
        return _open(self, shape)

    def __call__(self, model: Model, batch: Batch) -> EncodedBatch:
        """Encode a batch of the images.

        Raises:
            InputError: this machine finds another number of images.
        """
        source, indices = self.open(model.image_shape), batch.indices
        if source.count != batch.total:
            raise InputError(
                f"{self.path}: expected {batch.total} images, found {source.count}; "
                f"give all machines of the cluster the same files"
            )
        images = source.read(indices.start, indices.stop)
        columns: Columns = {"index": np.arange(indices.start, indices.stop, dtype=np.int64)}
        if source.names is not None:
            paths = np.array(source.names[indices.start : indices.stop], f"<U{source.longest_name}")
            columns["path"] = paths
            if source.has_subfolders:
                columns["folder"] = np.array([path.rpartition("/")[0] for path in paths.tolist()], paths.dtype)
        columns |= code_columns(
            model,
            images,
            indices.start,
            samples=self.samples,
            seed=self.seed,
            classify=self.classify,
            alarms=self.alarms,
        )
        rows = lowest_rows(columns["elbo"], self.lowest)
        raised = np.flatnonzero(columns["alarm"]) if self.alarms else np.empty(0, np.intp)
        strange = raised[lowest_rows(-columns["score"][raised], self.drawn)] if self.alarms else raised
        lost = lost_images(images, _cut_of(model))
        return EncodedBatch(columns, rows, images[rows], lost, strange, images[strange])

    def check_cut(self, model: Model) -> None:
        """Check some of the images against the model's threshold.

        Raises:
            InputError: the model's threshold makes each of them all black or all white.
        """
        cut, source = _cut_of(model), self.open(model.image_shape)
        if cut is None:
            return
        images = np.concatenate([source.read(n, n + 1) for n in evenly_spaced(source.count, _CHECKED).tolist()])
        check_cut(images, cut, str(self.path))


def batches_of(total: int, size: int) -> list[Batch]:
    """Split images into batches of ``size``; the last one may have fewer."""
    return [Batch(range(start, min(start + size, total)), total) for start in range(0, total, size)]


def _cut_of(model: Model) -> int | None:
    return model.manifest.model.preprocessing.binarize_at


@functools.lru_cache(maxsize=1)
def _open(encoding: Encoding, shape: tuple[int, int, int]) -> ImageSource:
    return open_images(encoding.path, shape, resize=encoding.resize, grey=encoding.grey, invert=encoding.invert)

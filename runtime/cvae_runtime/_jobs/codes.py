"""Images to a table: what each is to a model, as columns by their names."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._model import Model

_BATCH_BYTES = 2 << 20  # of an array of pixels; of decoded pixels, float32, there are four times as many
_BATCH_MULTIPLE = 32  # images a call of the encoder takes on a CPU

Columns = dict[str, NDArray[Any]]


def code_columns(model: Model, images: NDArray[np.uint8], first: int, *, samples: int = 1, seed: int = 0) -> Columns:
    """Encode and score images.

    Args:
        model: a loaded bundle.
        images: uint8 (N, H, W, C), or (N, H, W) for one channel.
        first: index of the first of them; an image's noise is a function of seed and index alone.
        samples, seed: as for `Model.score`.

    Returns:
        ``mean`` and ``logvar``, float32 (N, L); ``elbo``, float64 (N,); with more than one sample ``log_likelihood``
        too, float64 (N,), as in `Scores`.

    Raises:
        InputError: see `Model.score`.
    """
    scores = model.score(images, samples=samples, seed=seed, first=first)
    columns: Columns = {"mean": scores.posterior.mean, "logvar": scores.posterior.logvar, "elbo": scores.elbo}
    if samples > 1:
        columns["log_likelihood"] = scores.log_likelihood
    return columns


def code_batch(image_shape: tuple[int, int, int]) -> int:
    """How many images of (H, W, C) make a batch: nothing else changes where micro-batches are cut, and so the bits."""
    return max(_BATCH_MULTIPLE, _BATCH_BYTES // math.prod(image_shape) // _BATCH_MULTIPLE * _BATCH_MULTIPLE)

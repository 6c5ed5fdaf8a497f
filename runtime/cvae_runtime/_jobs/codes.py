"""Codes and scores of images as named columns."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._math import bits_per_dimension
from .._model import Model, class_names

_BATCH_BYTES = 2 << 20  # of uint8 pixels; the decoded pixels, float32, take four times as many
_BATCH_MULTIPLE = 32  # images in one call of the encoder on a CPU

_NO_BOX = (-1, -1, -1, -1)

Columns = dict[str, NDArray[Any]]


def code_columns(
    model: Model,
    images: NDArray[np.uint8],
    first: int,
    *,
    samples: int = 1,
    seed: int = 0,
    classify: bool = False,
    alarms: bool = False,
) -> Columns:
    """Encode and score images, without labels.

    Args:
        model: a loaded bundle.
        images: uint8 (N, H, W, C), or (N, H, W) for one channel.
        first: index of the first image; an image's noise is a function of seed and index alone.
        samples, seed: as for `Model.score`.
        classify: also return the most probable class of each image, for models with labels.
        alarms: also return the decisions of the bundle's detector.

    Returns:
        ``mean`` and ``logvar``, float32 (N, L); ``elbo``, float64 (N,); for likelihoods of 256 levels also
        ``bits_per_dimension``, float64 (N,); with more than one sample also ``iw_bound``, float64 (N,), over
        ``samples`` draws, as in `Scores`. With ``classify`` also ``label``, the class's name, and
        ``label_probability``, float64 (N,); see `Model.classify`. With ``alarms`` also ``p_value`` and ``score``,
        float32 (N,), ``alarm``, bool (N,), and ``box``, int64 (N, 4): top, left, bottom and right, or four times -1;
        see `Model.detect`.

    Raises:
        InputError: see `Model.score`, `Model.classify` and `Model.detect`.
    """
    scores = model.score(images, samples=samples, seed=seed, first=first)
    columns: Columns = {"mean": scores.posterior.mean, "logvar": scores.posterior.logvar, "elbo": scores.elbo}
    bits = bits_per_dimension(scores.elbo, model.manifest.model.likelihood, model.image_shape)
    if bits is not None:
        columns["bits_per_dimension"] = bits
    if samples > 1:
        columns["iw_bound"] = scores.iw_bound
    if classify:
        probabilities = model.classify(images, samples=samples, seed=seed, first=first)
        columns["label"] = np.array(class_names(model.manifest.model))[probabilities.argmax(axis=1)]
        columns["label_probability"] = probabilities.max(axis=1)
    if alarms:
        detection = model.detect(images)
        columns |= {"p_value": detection.p_value, "score": detection.score, "alarm": detection.alarm}
        columns["box"] = np.array([box or _NO_BOX for box in detection.boxes()], np.int64)
    return columns


def code_batch(image_shape: tuple[int, int, int]) -> int:
    """Number of images of (H, W, C) in a batch.

    It depends on the shape alone, so micro-batches start at the same images, and the bits are the same.
    """
    return max(_BATCH_MULTIPLE, _BATCH_BYTES // math.prod(image_shape) // _BATCH_MULTIPLE * _BATCH_MULTIPLE)

"""Describe the images before training, and reject images that nothing can be learned from."""

from collections.abc import Iterator
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import evenly_spaced, look_at_cut

from .._config import Binarize, Likelihood, ModelConfig, TrainConfig
from .binarize import is_binary
from .dataset import Dataset
from .sources import EMBEDDED
from .splits import few

_SAMPLE_IMAGES = 2_000
_SAMPLE_BYTES = 1 << 24
_LEAST_WHITE, _MOST_WHITE = 0.001, 0.999  # fraction of white pixels after thresholding
_GREY = 0.1  # fraction of pixels in the middle half of the range above which thresholding gets a warning


def describe_images(config: TrainConfig, data: Dataset) -> list[str]:
    """Describe the images and the effect of the recipe's thresholding.

    Returns:
        Lines about the images: number, shape, fraction of white pixels after thresholding, sets, skipped files and
        classes. Further lines, if they apply: padding inside the network, replaced pixels of a background model, and
        grey values that thresholding loses.

    Raises:
        InputError: thresholding leaves only black or only white, or makes most images equal; all values are 0 and 1 of
            255; or the recipe needs a validation set and there is none, or there are two. Also if dynamic binarization
            finds no grey levels, or fixed binarization finds some; or the model has labels, and the images have other
            classes, or a class with fewer than 2 images.
    """
    _check_validation(config, data)
    _check_labels(config.model, data)
    cut = look_at_cut(_sample(data.train), 128 if config.binarize_at is None else config.binarize_at)
    if cut.high == 1:
        raise InputError(
            f"{data.source}: expected grey levels 0 to 255, found only 0 and 1; multiply the values by 255, or convert "
            f"the array to bool"
        )
    parts = {"training": data.train, "validation": data.validation, "testing": data.test}
    counts = [f"{len(images):,} for {use}" for use, images in parts.items() if images is not None]
    height, width, channels = data.image_shape
    line = (
        f"{data.source}: images of {width}x{height} pixels, {'grey' if channels == 1 else 'RGB'}: {', '.join(counts)}"
    )
    notes = [*data.notes, *_describe_labels(config.model, data), *_say_padding(config.model), *_say_background(config)]
    if config.binarize_at is None:
        return [line, *notes]
    if config.binarize in ("dynamic", "fixed"):
        _check_binary(config.binarize, data)
        white = cut.white if config.binarize == "fixed" else float(_sample(data.train).mean() / 255)
        how = "" if config.binarize == "fixed" else " on average, drawn anew in each epoch"
        return [f"{line}; {white:.1%} white{how}", *notes]
    levels = f"levels {cut.low} to {cut.high} of 255"
    remedy = "scale the levels to 0 to 255, or pass --binarize none to keep grey values"
    if not _LEAST_WHITE <= cut.white <= _MOST_WHITE:
        raise InputError(
            f"{data.source}: expected black and white pixels after thresholding at level {config.binarize_at}, found "
            f"{cut.white:.2%} white pixels ({levels}); {remedy}"
        )
    if 2 * cut.alike > cut.count:
        raise InputError(
            f"{data.source}: expected different images after thresholding at level {config.binarize_at}, found "
            f"{cut.alike:,} of {cut.count:,} to be equal ({levels}); {remedy}"
        )
    return [f"{line}; {cut.white:.1%} white after thresholding", *notes, *_warn_of_grey(cut.grey)]


def _check_labels(model: ModelConfig, data: Dataset) -> None:
    if not model.labels:
        return
    found = None if data.labels is None else data.labels.names
    if found != model.labels:
        raise InputError(
            f"{data.source}: expected the model's {len(model.labels):,} classes, {few(model.labels)}, found "
            f"{'none' if found is None else few(found)}; train on images with these classes"
        )
    assert data.labels is not None
    counts = np.bincount(data.labels.train, minlength=len(model.labels))
    if counts.min() < 2:
        rare = [name for name, count in zip(model.labels, counts, strict=True) if count < 2]
        raise InputError(
            f"{data.source}: expected at least 2 training images of each class, found fewer of {few(rare)}; add some, "
            f"or merge classes"
        )


def _describe_labels(model: ModelConfig, data: Dataset) -> list[str]:
    """Name the classes that the model is conditioned on, or could be."""
    if model.labels:
        return [f"conditioned on {len(model.labels):,} classes: {few(model.labels)}"]
    if data.labels is None or len(data.labels.names) < 2 or data.source == EMBEDDED:
        return []
    names = data.labels.names
    return [f"{len(names):,} classes: {few(names)}; train with --labels to choose them later"]


def _check_binary(binarize: Binarize, data: Dataset) -> None:
    if binarize == "dynamic" and all(map(is_binary, data.splits)):
        raise InputError(
            f"{data.source}: expected grey levels for --binarize dynamic, found only black and white; pass --binarize "
            f"static, or train on grey images, such as those of cvae-train keras:mnist"
        )
    if binarize == "fixed" and not all(map(is_binary, data.splits)):
        raise InputError(
            f"{data.source}: expected black and white pixels for --binarize fixed, found grey levels; pass --binarize "
            f"static, which thresholds them, or --binarize dynamic, which draws them"
        )


def _say_padding(model: ModelConfig) -> Iterator[str]:
    if any(model.padding):
        height, width = (size + more for size, more in zip(model.image_shape, model.padding, strict=False))
        yield f"the network pads images to {width}x{height} pixels inside, and crops its output"


def _say_background(config: TrainConfig) -> Iterator[str]:
    if config.background:
        yield (
            f"background model: each pixel of a training image is replaced at random with probability "
            f"{config.background:g}, anew in each epoch"
        )


def _warn_of_grey(share: float) -> Iterator[str]:
    if share > _GREY:
        yield (
            f"{share:.0%} of the pixels are grey and become black or white; "
            f"--likelihood {get_args(Likelihood)[-1]} keeps their values"
        )


def _check_validation(config: TrainConfig, data: Dataset) -> None:
    if data.validation is not None and config.validation_fraction:
        raise InputError(f"{data.source}: has its own validation set; leave --validation-fraction out")
    if config.patience and data.validation is None and not config.validation_fraction:
        raise InputError("patience: expected a validation set, found none; set validation_fraction, for example to 0.1")


def _sample(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    most = max(1, min(_SAMPLE_IMAGES, _SAMPLE_BYTES // images[0].nbytes))
    return images[evenly_spaced(len(images), most)]

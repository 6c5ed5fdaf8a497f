"""What a run is about to be trained on, said before it begins; what nothing can be learnt from is refused."""

from collections.abc import Iterator
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import evenly_spaced, look_at_cut

from .._config import Likelihood, TrainConfig
from .dataset import Dataset

_LOOKED_AT = 2_000  # training images
_LOOKED_AT_BYTES = 1 << 24
_FEWEST, _MOST = 0.001, 0.999  # share of white pixels
_GREY = 0.1  # share of pixels in the middle half of the range, beyond which a cut is worth a line


def describe_images(config: TrainConfig, data: Dataset) -> list[str]:
    """Say what the images are and what the recipe makes of them.

    Returns:
        Lines: how many images of what shape, the share of white after the cut, how the parts were chosen and what was
        passed over, and what of the images is lost.

    Raises:
        InputError: the cut leaves black or white alone, or most images come out the same by it; the values are 0 and 1
            of 255; or there is no validation part where the recipe needs one, or are two.
    """
    _check_validation(config, data)
    looked_at = _sample(data.train)
    cut = look_at_cut(looked_at, 128 if config.binarize_at is None else config.binarize_at)
    if cut.high == 1:
        raise InputError(
            f"{data.source}: expected grey levels 0 to 255, found 0 and 1 alone; multiply the values by 255, or make the "
            f"array bool"
        )
    parts = {"training": data.train, "validation": data.validation, "testing": data.test}
    counts = [f"{len(images):,} for {use}" for use, images in parts.items() if images is not None]
    height, width, channels = data.image_shape
    line = (
        f"{data.source}: images of {width}x{height} pixels, {'grey' if channels == 1 else 'RGB'}: {', '.join(counts)}"
    )
    if config.binarize_at is None:
        return [line, *data.notes]
    levels = f"levels {cut.low} to {cut.high} of 255"
    remedy = "scale the levels to 0 to 255, or say --binarize none to keep them as they are"
    if not _FEWEST <= cut.white <= _MOST:
        raise InputError(
            f"{data.source}: expected images of black and white after the cut at level {config.binarize_at}, found "
            f"{cut.white:.2%} of their pixels white ({levels}); {remedy}"
        )
    if 2 * cut.alike > cut.count:
        raise InputError(
            f"{data.source}: expected images that differ after the cut at level {config.binarize_at}, found "
            f"{cut.alike:,} of {cut.count:,} that come out all alike ({levels}); {remedy}"
        )
    return [f"{line}; {cut.white:.1%} white after the cut", *data.notes, *_warn_of_grey(cut.grey)]


def _warn_of_grey(share: float) -> Iterator[str]:
    if share > _GREY:
        yield (
            f"{share:.0%} of the pixels are neither dark nor light, and the cut makes them black or white: "
            f"--likelihood {get_args(Likelihood)[-1]} keeps them"
        )


def _check_validation(config: TrainConfig, data: Dataset) -> None:
    if data.validation is not None and config.validation_fraction:
        raise InputError(f"{data.source}: has a validation part of its own; leave --validation-fraction out")
    if config.patience and data.validation is None and not config.validation_fraction:
        raise InputError("patience looks at the validation part; set validation_fraction, to 0.1 for example")


def _sample(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    most = max(1, min(_LOOKED_AT, _LOOKED_AT_BYTES // images[0].nbytes))
    return images[evenly_spaced(len(images), most)]

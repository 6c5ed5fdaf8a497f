"""What pixels 0 and 255 become for an encoder from elsewhere: as is stated, or told from its input and its first layers."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from cvae_runtime import InputError

from ._config import Range
from ._ends import begin_of
from ._network import Network

Preprocess = Callable[[Any, Range], tf.Tensor]

RANGES: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))  # that pixels commonly have

_log = logging.getLogger("cvae_export")


def input_range_of(
    encoder: Network, graph: onnx.ModelProto, stated: Range | None, of_decoder: Range, preprocess: Preprocess
) -> Range:
    """What pixels 0 and 255 become for an encoder: as stated, or told from its input's dtype and its first layers.

    Args:
        encoder: the encoder.
        graph: its graph.
        stated: what the caller says; None: nothing.
        of_decoder: what pixels 0 and 255 are in the decoder's output, which a VAE gives as it takes it.
        preprocess: pixels and a range to the encoder's input, float32.

    Raises:
        InputError: what is stated cannot be meant, or nothing is and nothing can be told.
    """
    begin = begin_of(graph)
    levels = np.arange(256, dtype=np.uint8)

    def holds(pixels: Range) -> bool:
        """Whether the dtype keeps what pixels become."""
        values = preprocess(levels, pixels).numpy()
        return encoder.dtype.is_floating or np.array_equal(tf.cast(tf.cast(values, encoder.dtype), tf.float32), values)

    dtype = encoder.dtype.name
    if stated is not None:
        if not holds(stated):
            raise InputError(
                f"{encoder.name}: expected an input range in which pixels are whole numbers that its input, {dtype}, holds, "
                f"found {range_text(stated)}; leave out --input-range, or say the range that the model was trained on"
            )
        if not begin.unread and not begin.fits(stated):
            low, high = begin.becomes(stated)
            raise InputError(
                f"{encoder.name}: expected the input range that its first layers rescale, found {range_text(stated)}, of which they "
                f"make {low:.3g} to {high:.3g}; leave out --input-range, or say the range that the model was trained on"
            )
        return stated
    fitting = [pixels for pixels in dict.fromkeys((of_decoder, *RANGES)) if holds(pixels) and begin.fits(pixels)]
    if begin.unread or not fitting or (not encoder.dtype.is_floating and len(fitting) > 1):
        found = f"an input of {dtype}"
        if begin.unread or encoder.dtype.is_floating:
            found = f"{begin.unread or f'a factor of {begin.affine[0][0]:.3g}'} in front of its first weights"
        raise InputError(
            f"{encoder.name}: expected first layers that tell what pixels 0 and 255 become for it, found {found}; "
            f"{_range_to_say(encoder.dtype, begin.example)}"
        )
    if fitting[0] != RANGES[0]:
        _log.warning(
            "%s: pixels are handed over as %g to %g, by its input, its first layers and the decoder's output",
            encoder.name,
            *fitting[0],
        )
    return fitting[0]


def _range_to_say(dtype: tf.DType, example: Range) -> str:
    """What to say of an encoder whose input has a dtype, and that tells nothing else."""
    if dtype.is_bool:
        return "say --binarize-at 128"
    small = dtype.is_integer and dtype.size <= 2
    return f"say --input-range LOW,HIGH, such as {range_text((dtype.min, dtype.max) if small else example)}"


def range_text(pixels: Range) -> str:
    """A range as it is said on the command line."""
    return f"{pixels[0]:g},{pixels[1]:g}"

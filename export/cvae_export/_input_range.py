"""Input range of an external encoder: stated by the caller, or inferred from its input and first layers."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from cvae_runtime import InputError

from ._config import Range
from ._ends import start_of
from ._network import Network

Preprocess = Callable[[Any, Range], tf.Tensor]

RANGES: tuple[Range, ...] = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))  # common pixel ranges

_log = logging.getLogger("cvae_export")


def input_range_of(
    encoder: Network, graph: onnx.ModelProto, stated: Range | None, of_decoder: Range, preprocess: Preprocess
) -> Range:
    """Return an encoder's input values for pixels 0 and 255, stated or inferred from its dtype and first layers.

    Args:
        encoder: the encoder.
        graph: its graph.
        stated: the range that the caller states; None: infer it.
        of_decoder: the decoder's values for pixels 0 and 255; most VAEs use one range for input and output.
        preprocess: maps pixels and a range to the encoder's input, float32.

    Raises:
        InputError: the stated range contradicts the encoder, or the range cannot be inferred.
    """
    start = start_of(graph)
    levels = np.arange(256, dtype=np.uint8)

    def holds(pixels: Range) -> bool:
        """Whether the input's dtype holds the rescaled pixels exactly."""
        values = preprocess(levels, pixels).numpy()
        return encoder.dtype.is_floating or np.array_equal(tf.cast(tf.cast(values, encoder.dtype), tf.float32), values)

    dtype = encoder.dtype.name
    if stated is not None:
        if not holds(stated):
            raise InputError(
                f"{encoder.name}: expected an input range whose pixels are integers that its input, {dtype}, holds, "
                f"found {range_text(stated)}; leave out --input-range, or pass the range that the model was trained on"
            )
        if not start.blocker and not start.fits(stated):
            low, high = start.becomes(stated)
            raise InputError(
                f"{encoder.name}: expected the input range that its first layers rescale, found "
                f"{range_text(stated)}, which they turn into {low:.3g} to {high:.3g}; leave out --input-range, "
                f"or pass the range that the model was trained on"
            )
        return stated
    fitting = [pixels for pixels in dict.fromkeys((of_decoder, *RANGES)) if holds(pixels) and start.fits(pixels)]
    if start.blocker or not fitting or (not encoder.dtype.is_floating and len(fitting) > 1):
        found = f"an input of {dtype}"
        if start.blocker or encoder.dtype.is_floating:
            found = f"{start.blocker or f'a factor of {start.affine[0][0]:.3g}'} before its first weights"
        raise InputError(
            f"{encoder.name}: expected first layers that show its input range, found {found}; "
            f"{_range_option(encoder.dtype, start.example)}"
        )
    if fitting[0] != RANGES[0]:
        _log.warning(
            "%s: pixels are passed as %g to %g, inferred from its input, its first layers and the decoder's output",
            encoder.name,
            *fitting[0],
        )
    return fitting[0]


def _range_option(dtype: tf.DType, example: Range) -> str:
    """Return the option to pass for an encoder whose range cannot be inferred."""
    if dtype.is_bool:
        return "pass --binarize-at 128"
    small = dtype.is_integer and dtype.size <= 2
    return f"pass --input-range LOW,HIGH, such as {range_text((dtype.min, dtype.max) if small else example)}"


def range_text(pixels: Range) -> str:
    """Format a range as a command-line value."""
    return f"{pixels[0]:g},{pixels[1]:g}"

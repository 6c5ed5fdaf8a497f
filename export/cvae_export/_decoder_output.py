"""Output kind of an external decoder, stated or inferred: logits, probabilities or a pixel range."""

import logging
import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import InputError

from ._config import DecoderOutput
from ._ends import End

_LOGIT = 3.0  # sigmoid(3) is 0.95; outputs bounded below it are not logits
_LARGEST_LOGIT = 50.0  # larger values are pixels up to 255

_log = logging.getLogger("cvae_export")


def kind_of_output(name: str, end: End, pixels: NDArray[np.float32], output: DecoderOutput) -> DecoderOutput:
    """Return a decoder's output kind: "logits", "probs", or its values for pixels 0 and 255.

    Args:
        name: the decoder's name in errors.
        end: the end of its graph.
        pixels: its outputs for some latents.
        output: the kind that the caller states; "auto": infer it.

    Raises:
        InputError: the stated kind contradicts the decoder, or the kind cannot be inferred.
    """
    if output == "auto":
        return _kind_by_end(name, end, pixels)
    if output == "logits":
        if end.low > -_LOGIT or end.high < _LOGIT:
            raise InputError(f"{name}: expected logits, found {_values(end)}; {_remedy(end)}")
    elif output == "probs":
        if end.bounded and not end.within((0.0, 1.0)):
            raise InputError(f"{name}: expected probabilities, in [0, 1], found {_values(end)}; {_remedy(end)}")
        if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            raise InputError(
                f"{name}: expected probabilities, in [0, 1], found {pixels.min():.3g} to {pixels.max():.3g}; "
                f"{_remedy(end)}"
            )
    elif not end.reaches(output):
        raise InputError(
            f"{name}: expected values from {output[0]:g} to {output[1]:g}, found {_values(end)}; {_remedy(end)}"
        )
    return output


def probs_of(pixels: tf.Tensor, output: DecoderOutput) -> tf.Tensor:
    """Convert a decoder's output to probabilities; values outside a stated range are clipped."""
    if output == "logits":
        return tf.sigmoid(pixels)
    if isinstance(output, str):
        return pixels
    low, high = output
    return tf.clip_by_value((pixels - low) / (high - low), 0.0, 1.0)


def _kind_by_end(name: str, end: End, pixels: NDArray[np.float32]) -> DecoderOutput:
    """Infer logits or probs from the decoder's last layers."""
    if _gives_probs(end):
        return "probs"
    if end.linear and pixels.max() <= _LARGEST_LOGIT:
        _log.warning(
            "%s: has no activation at its end, so its output is read as logits; "
            "for pixels pass --decoder-output LOW,HIGH",
            name,
        )
        return "logits"
    found = f"values up to {pixels.max():.3g}" if end.linear else _values(end)
    raise InputError(f"{name}: expected a sigmoid or logits at its end, found {found}; {_remedy(end)}")


def _gives_probs(end: End) -> bool:
    return end.within((0.0, 1.0)) and end.reaches((0.0, 1.0))


def _values(end: End) -> str:
    """Describe the values of an end, for an error."""
    if end.bounded:
        return f"values in [{end.low:.6g}, {end.high:.6g}], from {end.operator}"
    if math.isfinite(end.low):
        return f"values above {end.low:.6g}, from {end.operator}"
    return f"the operator {end.operator or 'none'}"


def _remedy(end: End) -> str:
    """Return the option to pass for a decoder with this end."""
    if _gives_probs(end):
        return "pass --decoder-output probs"
    if end.bounded:
        return f"pass --decoder-output {end.low:.6g},{end.high:.6g} if these are pixels 0 and 255"
    pixels = "pass --decoder-output LOW,HIGH, its values for pixels 0 and 255, such as 0,1 or 0,255"
    return pixels if end.low > -_LOGIT or end.high < _LOGIT else f"{pixels}, or logits"

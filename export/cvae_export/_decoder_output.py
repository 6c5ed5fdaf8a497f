"""What a decoder from elsewhere gives: logits, probabilities or pixels of a range; as is stated, or told from its end."""

import logging
import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import InputError

from ._config import DecoderOutput
from ._ends import End

_LOGIT = 3.0  # logits within it are probabilities of 0.05 to 0.95; what cannot leave it are none
_LARGEST_LOGIT = 50.0  # positive ones beyond are pixels up to 255

_log = logging.getLogger("cvae_export")


def kind_of_output(name: str, end: End, pixels: NDArray[np.float32], output: DecoderOutput) -> DecoderOutput:
    """What a decoder gives: "logits", "probs", or what pixels 0 and 255 are in it.

    Args:
        name: what errors call the decoder.
        end: of its graph.
        pixels: what it has given for some latents.
        output: as is stated.

    Raises:
        InputError: what is stated cannot be meant, or nothing is and nothing can be told.
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
    """What a decoder gives as probabilities; beyond the range that is stated, values are cut."""
    if output == "logits":
        return tf.sigmoid(pixels)
    if isinstance(output, str):
        return pixels
    low, high = output
    return tf.clip_by_value((pixels - low) / (high - low), 0.0, 1.0)


def _kind_by_end(name: str, end: End, pixels: NDArray[np.float32]) -> DecoderOutput:
    """Logits or probs, by the end of the decoder."""
    if _gives_probs(end):
        return "probs"
    if end.linear and pixels.max() <= _LARGEST_LOGIT:
        _log.warning(
            "%s: ends without an activation, so that its output is taken as logits; for pixels say --decoder-output LOW,HIGH",
            name,
        )
        return "logits"
    found = f"values up to {pixels.max():.3g}" if end.linear else _values(end)
    raise InputError(f"{name}: expected a sigmoid or logits at its end, found {found}; {_remedy(end)}")


def _gives_probs(end: End) -> bool:
    return end.within((0.0, 1.0)) and end.reaches((0.0, 1.0))


def _values(end: End) -> str:
    """What an end gives, for an error."""
    if end.bounded:
        return f"values in [{end.low:.6g}, {end.high:.6g}], by {end.operator}"
    if math.isfinite(end.low):
        return f"values above {end.low:.6g}, by {end.operator}"
    return f"the operator {end.operator or 'none'}"


def _remedy(end: End) -> str:
    """What to say of a decoder with this end."""
    if _gives_probs(end):
        return "say --decoder-output probs"
    if end.bounded:
        return f"say --decoder-output {end.low:.6g},{end.high:.6g} if these are pixels 0 and 255"
    pixels = "say --decoder-output LOW,HIGH, what pixels 0 and 255 are in it, such as 0,1 or 0,255"
    return pixels if end.low > -_LOGIT or end.high < _LOGIT else f"{pixels}, or logits"

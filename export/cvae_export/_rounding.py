"""The rounding error of a likelihood: its change if all probs move inwards by two units in the last place.

A confidently wrong pixel costs -log(1 - probs), and float32 rounds 1 - probs to 2^-24, while it may be as small as
2^-23.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAST_PLACES = 2.0**-23  # two units in the last place of a float32 just below 1


def move_inwards(outputs: Mapping[str, NDArray[Any]], share: float) -> dict[str, NDArray[Any]]:
    """Return a decoder's outputs with probs moved towards 0.5 by this share of the distance, in float64."""
    probs = outputs["probs"].astype(np.float64)
    return {**outputs, "probs": probs + share * (0.5 - probs)}

"""The rules of a calibration: how good images are split, which score is chosen, and from which score an alarm holds.

Conformal p-values (Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2005; Bates et al., "Testing
for outliers with conformal p-values", 2023). The p-value of an image is (1 + number of calibration scores that are at
least the image's) / (n + 1). Let a new good image and the n calibration images be exchangeable, and the score not
depend on the calibration images. Then the p-value is at most alpha with a probability of at most alpha, averaged over
calibration sets.
"""

import dataclasses
import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.random import derived_key, threefry2x32

LEAST_FIT = 10  # images
MOST = 10_000  # images of each part; more change the quantiles too little, and would make the manifest large

_TAG = 5  # of the derived keys; docs/formats.md lists them
_HALF_SPLITS = 100
_LESS = 0.9  # a score replaces one before it if its instability is smaller by this factor

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def least_images(false_alarms: float) -> int:
    """Return the fewest calibration images for a rate of false alarms: ceil(1 / rate) - 1."""
    return math.ceil(1 / _exact(false_alarms)) - 1


def alarm_rank(false_alarms: float, count: int) -> int:
    """Return the rank of the threshold among ``count`` calibration scores in descending order, counted from 1.

    A score above the threshold has a p-value of at most the rate; 0: no score has.
    """
    return math.floor(_exact(false_alarms) * (count + 1))


def _exact(rate: float) -> Fraction:
    """Return the decimal number that a float was written as, since 0.29 * 100 < 29."""
    return Fraction(repr(float(rate)))


def threshold_of(scores: NDArray[np.float32], false_alarms: float) -> np.float32:
    """Return the calibration score that the score of an alarm exceeds.

    Args:
        scores: calibration scores, float32 (n,), ascending; n is at least `least_images`.
        false_alarms: the rate.
    """
    threshold: np.float32 = scores[len(scores) - alarm_rank(false_alarms, len(scores))]
    return threshold


def p_values(scores: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the p-values of scores, float32 (N,), given calibration scores, float32 (n,), ascending."""
    at_least = len(scores) - np.searchsorted(scores, found, side="left")
    values: NDArray[np.float32] = ((1.0 + at_least) / (len(scores) + 1.0)).astype(np.float32)
    return values


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of good images, ascending, int64. No index is in both parts.

    Attributes:
        fit: images on which the score and its parameters are chosen.
        calibration: images whose scores are the calibration scores.
    """

    fit: Indices
    calibration: Indices


def split_images(count: int, false_alarms: float, seed: int, name: str) -> Split:
    """Split good images into two parts by a seeded permutation.

    Half of the images calibrate, but never fewer than `least_images`, at least `LEAST_FIT` images are left for the fit,
    and no part has more than `MOST`. Of the calibration images, as many are used as make a whole number of false
    alarms: the largest n with rate * (n + 1) whole, or for some rates just above. The others move to the fit.

    Args:
        count: number of good images.
        false_alarms: the rate.
        seed: unsigned 64-bit number.
        name: of the images, for the message.

    Raises:
        InputError: there are too few images for the rate.
    """
    least = least_images(false_alarms)
    if count < least + LEAST_FIT:
        raise InputError(
            f"{name}: expected at least {least + LEAST_FIT:,} good images for a false-alarm rate of {false_alarms:g}, "
            f"{least:,} to calibrate on and {LEAST_FIT} to fit; found {count:,}: add images, or pass a higher "
            f"--false-alarms"
        )
    half = min(MOST, count - LEAST_FIT, max(least, (count + 1) // 2))
    size = math.ceil(alarm_rank(false_alarms, half) / _exact(false_alarms)) - 1
    order = permutation(count, seed)
    return Split(np.sort(order[size:][:MOST]), np.sort(order[:size]))


def permutation(count: int, seed: int, *numbers: int) -> Indices:
    """Return a permutation of 0 .. count - 1 that seed and numbers determine, in any version of NumPy."""
    counters = np.arange(count, dtype=np.uint32)
    words = threefry2x32(counters, np.zeros_like(counters), derived_key(seed, _TAG, *numbers))
    return np.lexsort(words).astype(np.int64)


def choose_score(instabilities: Mapping[str, float]) -> str:
    """Choose the score whose threshold depends least on which good images set it, by the `instability` of each.

    The first score is the default. A later one replaces it if its instability is smaller by a tenth or more.
    """
    best, least = "", math.inf
    for name, found in instabilities.items():
        if not best or found < _LESS * least:
            best, least = name, found
    return best


def instability(scores: Floats, false_alarms: float) -> float:
    """Return the instability of a score; infinity if half of the images have equal scores.

    A random split of the images has two halves, whose 1 - rate quantiles differ. The instability is this absolute
    difference, averaged over 100 splits, and divided by the interquartile range over all images. A score with a long
    upper tail has a high instability: its threshold lies far above most good images, and strange images hide below it.

    Args:
        scores: of the images in ``fit``, float64 (N,).
        false_alarms: the rate.
    """
    low, high = np.quantile(scores, (0.25, 0.75))
    half = len(scores) // 2
    differences = []
    for number in range(_HALF_SPLITS):
        order = permutation(len(scores), 0, number)
        one, other = (np.quantile(scores[part], 1.0 - false_alarms) for part in (order[:half], order[half:]))
        differences.append(abs(one - other))
    return float(np.mean(differences) / (high - low)) if high > low else math.inf

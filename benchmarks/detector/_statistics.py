"""The distribution of the number of false alarms.

A detector that is calibrated on n images raises an alarm if the score exceeds the one of rank l = floor(alpha (n + 1)),
counted from the strangest. If calibration and fresh images are exchangeable and scores have no ties, the chance of a
false alarm has the distribution Beta(l, n + 1 - l) over calibration sets. So the number of false alarms among m fresh
images is beta-binomial (Vovk, "Conditional validity of inductive conformal predictors", 2012).
"""

import math

from cvae_export._conformal import alarm_rank


def beta_binomial(alarms: int, fresh: int, a: int, b: int) -> float:
    """Probability of a number of alarms among ``fresh`` images, if its chance has the distribution Beta(a, b)."""
    return math.exp(
        math.lgamma(fresh + 1)
        - math.lgamma(alarms + 1)
        - math.lgamma(fresh - alarms + 1)
        + _log_beta(alarms + a, fresh - alarms + b)
        - _log_beta(a, b)
    )


def alarm_interval(alpha: float, calibrated: int, fresh: int, level: float = 0.99) -> tuple[int, int]:
    """Return an interval that holds the number of false alarms with a probability of at least ``level``.

    Each side leaves out at most half of the rest.

    Args:
        alpha: rate of false alarms of the detector.
        calibrated: n, calibration images; at least 1 / alpha - 1.
        fresh: m, fresh good images.
        level: the probability.
    """
    rank = alarm_rank(alpha, calibrated)
    tail = (1 - level) / 2
    masses = [beta_binomial(alarms, fresh, rank, calibrated + 1 - rank) for alarms in range(fresh + 1)]
    return _first_above(masses, tail), fresh - _first_above(masses[::-1], tail)


def _first_above(masses: list[float], tail: float) -> int:
    """Return the first place at which the cumulated mass exceeds ``tail``."""
    total = 0.0
    for place, mass in enumerate(masses):
        total += mass
        if total > tail:
            return place
    return len(masses) - 1


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

"""The rules of a calibration, and the rate of false alarms that they give."""

import math

import numpy as np
import pytest

from benchmarks.detector._statistics import alarm_interval
from cvae_export._conformal import (
    alarm_rank,
    choose_score,
    instability,
    least_images,
    p_values,
    permutation,
    split_images,
    threshold_of,
)
from cvae_runtime import InputError


@pytest.mark.parametrize(
    ("rate", "least"), [(0.5, 1), (0.1, 9), (0.07, 14), (0.05, 19), (0.03, 33), (0.01, 99), (0.0001, 9999)]
)
def test_the_fewest_images_for_a_rate(rate, least):
    assert least_images(rate) == least
    assert (alarm_rank(rate, least), alarm_rank(rate, least - 1)) == (1, 0)


def test_ranks_are_exact():
    assert 0.29 * 100 < 29  # in floating point
    assert alarm_rank(0.29, 99) == 29


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.07, 0.29, 0.5])
def test_an_alarm_is_a_p_value_of_at_most_the_rate(rate):
    rng = np.random.default_rng(0)
    scores = np.sort(rng.integers(0, 50, 137).astype(np.float32))  # with ties
    found = np.arange(-1, 52, 0.5).astype(np.float32)
    expected = [(1 + (scores >= one).sum()) / 138 for one in found]
    assert np.allclose(p_values(scores, found), expected, rtol=1e-6)
    assert ((found > threshold_of(scores, rate)) == (np.array(expected) <= rate)).all()


@pytest.mark.parametrize("count", [29, 100, 1000, 50_000])
def test_the_parts_of_a_split(count):
    split = split_images(count, 0.05, 3, "good")
    together = np.concatenate([split.fit, split.calibration])
    assert len(set(together.tolist())) == len(together) <= count
    assert (np.diff(split.fit) > 0).all()
    assert (np.diff(split.calibration) > 0).all()
    assert len(split.fit) >= 10
    assert (len(split.calibration) + 1) * 0.05 == alarm_rank(0.05, len(split.calibration))  # a whole number
    again, other = split_images(count, 0.05, 3, "good"), split_images(count, 0.05, 4, "good")
    assert (again.calibration == split.calibration).all()
    assert (other.calibration != split.calibration).any()


def test_too_few_images():
    with pytest.raises(InputError) as caught:
        split_images(108, 0.01, 0, "good")
    assert str(caught.value) == (
        "good: expected at least 109 good images for a false-alarm rate of 0.01, 99 to calibrate on and 10 to fit; "
        "found 108: add images, or pass a higher --false-alarms"
    )
    assert len(split_images(109, 0.01, 0, "good").calibration) == 99


def test_a_permutation_is_the_same_in_every_version():
    assert permutation(8, 0).tolist() == [2, 3, 5, 7, 0, 4, 1, 6]
    assert sorted(permutation(1000, 7, 3).tolist()) == list(range(1000))


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
def test_the_rate_of_false_alarms_is_beta_binomial(rate, draw):
    tests, outside, alarms = 1000, 0, 0
    for seed in range(20):
        scores = getattr(np.random.default_rng(seed), draw)(size=400 + tests).astype(np.float32)
        good, fresh = scores[:400], scores[400:]
        calibration = np.sort(good[split_images(400, rate, seed, "good").calibration])
        found = int((fresh > threshold_of(calibration, rate)).sum())
        low, high = alarm_interval(rate, len(calibration), tests)
        outside += not low <= found <= high
        alarms += found
    assert outside <= 1  # of 20, each of which is outside with a probability of 1%
    assert 0.4 * rate < alarms / (20 * tests) < 1.9 * rate


def test_the_most_stable_score_is_chosen():
    rng = np.random.default_rng(0)
    light, heavy = (instability(scores, 0.05) for scores in (rng.uniform(size=200), rng.standard_cauchy(size=200)))
    assert light < 0.9 * heavy
    assert choose_score({"heavy": heavy, "light": light}) == "light"
    assert choose_score({"light": light, "heavy": heavy}) == "light"


def test_the_first_score_stays_unless_another_is_clearly_more_stable():
    scores = np.random.default_rng(0).normal(size=200)
    first, second = (instability(values, 0.05) for values in (scores, 3.0 * scores + 1.0))
    assert choose_score({"first": first, "second": second}) == "first"
    assert choose_score({"first": 1.0, "second": 0.91}) == "first"
    assert choose_score({"first": 1.0, "second": 0.89}) == "second"
    assert instability(np.ones(20), 0.05) == math.inf
    assert choose_score({"constant": math.inf, "other": math.inf}) == "constant"

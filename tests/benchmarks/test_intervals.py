import numpy as np
import pytest

from benchmarks._intervals import correlation_interval, mean_correlation, wilson


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (9800, 10_000, 0.97707, 0.98256)],
)
def test_wilson_s_interval(successes, count, low, high):
    assert wilson(successes, count) == pytest.approx((low, high), abs=5e-5)


@pytest.fixture
def rows():
    """Three rows with a common part: their correlations are near 0.8."""
    rng = np.random.default_rng(0)
    return 2.0 * rng.normal(size=500) + rng.normal(size=(3, 500))


def test_the_mean_over_all_pairs(rows):
    pairs = [np.corrcoef(rows[a], rows[b])[0, 1] for a, b in ((0, 1), (0, 2), (1, 2))]
    assert mean_correlation(rows) == pytest.approx(np.mean(pairs))
    assert mean_correlation(np.stack([rows[0], -2 * rows[0] + 1])) == pytest.approx(-1.0)


def test_the_bootstrap_s_interval(rows):
    low, high = correlation_interval(rows)
    assert low < mean_correlation(rows) < high
    # Fisher's interval of one pair is at least as wide as that of the mean.
    of_pair = np.tanh(np.arctanh(0.8) + 1.96 / np.sqrt(497)) - np.tanh(np.arctanh(0.8) - 1.96 / np.sqrt(497))
    assert 0.4 * of_pair < high - low < of_pair
    assert correlation_interval(rows) == (low, high)

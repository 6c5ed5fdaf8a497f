import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_train._evaluate.probe import fit_classifier, probe_accuracy


def clusters(seed, count, classes, dimensions, apart):
    """Points around a centre for each class, with their classes."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.standard_normal((classes, dimensions))
    labels = rng.integers(0, classes, count)
    return centres[labels] + rng.standard_normal((count, dimensions)), labels


def objective(weights, points, labels):
    logits = points @ weights[:-1] + weights[-1]
    return np.sum(np.logaddexp.reduce(logits, axis=1) - logits[range(len(points)), labels]) + 0.5 * np.sum(
        weights[:-1] ** 2
    )


def test_one_dimension_and_two_classes_in_closed_form():
    # Points -1 and 1 of different classes: by symmetry the weights are -w and w. The objective is
    # 2 log(1 + exp(-2 w)) + w^2, and its derivative is zero at w = 2 / (1 + exp(2 w)).
    (left, right), biases = fit_classifier(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2)
    assert right == pytest.approx(2.0 / (1.0 + np.exp(2.0 * right)), abs=1e-4)
    assert left == pytest.approx(-right, abs=1e-12)
    assert biases == pytest.approx([0.0, 0.0], abs=1e-12)


def test_without_a_difference_the_biases_are_the_shares_of_the_classes():
    weights = fit_classifier(np.zeros((10, 2)), np.array([0] * 7 + [1] * 2 + [2]), 3)
    assert np.exp(weights[-1]) / np.exp(weights[-1]).sum() == pytest.approx([0.7, 0.2, 0.1], abs=1e-4)
    assert weights[:-1].tolist() == [[0.0] * 3] * 2


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 5), st.integers(1, 4), st.floats(0.0, 4.0))
def test_the_gradient_vanishes_at_the_weights(seed, count, classes, dimensions, apart):
    points, labels = clusters(seed, count, classes, dimensions, apart)
    weights = fit_classifier(points, labels, classes)
    best = objective(weights, points, labels)
    rng = np.random.default_rng(seed)
    for size in (1e-3, 0.1, 1.0):
        # Nearby weights are not better by more than the tolerance of the gradient allows.
        change = size * rng.standard_normal(weights.shape)
        assert objective(weights + change, points, labels) >= best - 1e-5 * count * np.abs(change).sum()


def test_separate_clusters_are_told_apart_and_one_cluster_is_not():
    points, labels = clusters(0, 4000, 10, 8, 6.0)
    assert probe_accuracy(points[:2000], labels[:2000], points[2000:], labels[2000:], 10) > 0.999
    points, labels = clusters(0, 4000, 10, 8, 0.0)
    assert probe_accuracy(points[:2000], labels[:2000], points[2000:], labels[2000:], 10) == pytest.approx(
        0.1, abs=0.03
    )


def test_the_scale_of_a_dimension_does_not_matter():
    points, labels = clusters(1, 600, 4, 3, 2.0)
    moved = points * [1.0, 1000.0, 0.001] + [0.0, -7.0, 5.0]
    found, expected = (probe_accuracy(x[:300], labels[:300], x[300:], labels[300:], 4) for x in (moved, points))
    assert found == expected
    assert 0.5 < found < 0.95


def test_a_dimension_that_never_changes_is_ignored():
    points, labels = clusters(2, 400, 3, 2, 2.0)
    longer = np.concatenate([points, np.full((400, 1), 3.0)], axis=1)
    found, expected = (probe_accuracy(x[:200], labels[:200], x[200:], labels[200:], 3) for x in (longer, points))
    assert found == expected


def test_classes_without_training_points():
    assert (
        probe_accuracy(np.array([[0.0], [1.0]]), np.array([0, 1]), np.array([[1.0], [1.0]]), np.array([1, 2]), 3) == 0.5
    )


def test_the_result_is_the_same_each_time():
    points, labels = clusters(3, 500, 5, 6, 1.0)
    assert fit_classifier(points, labels, 5).tolist() == fit_classifier(points, labels, 5).tolist()

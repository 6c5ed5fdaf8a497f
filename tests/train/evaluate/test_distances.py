import numpy as np
import pytest

from cvae_train._evaluate.distances import NEIGHBOURS, frechet_distance, kernel_distance, precision_and_recall


def points(count, size=3, seed=0, scale=1.0, shift=0.0):
    return (scale * np.random.default_rng(seed).standard_normal((count, size)) + shift).astype(np.float32)


def whitened(x):
    """The same points with mean 0 and covariance I."""
    centred = x.astype(np.float64) - x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred, rowvar=False))
    return centred @ vectors / np.sqrt(values)


def test_frechet_distance_of_known_gaussians():
    x, mixing = whitened(points(50)), np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(x, x + 2.0) == pytest.approx(12.0)
    assert frechet_distance(x, 3.0 * x) == pytest.approx(3 * (1 - 3) ** 2)
    # From N(0, I), the trace of (S^(1/2) - I)^2.
    roots = np.sqrt(np.linalg.eigvalsh(mixing.T @ mixing))
    assert frechet_distance(x, x @ mixing) == pytest.approx(np.sum((roots - 1.0) ** 2))


def test_frechet_distance_of_one_feature():
    assert frechet_distance(points(20, 1), points(20, 1) + 1.0) == pytest.approx(1.0, rel=1e-5)


def kernel(a, b):
    return (a.astype(np.float64) @ b.T / a.shape[1] + 1.0) ** 3


@pytest.mark.parametrize(("n", "m"), [(7, 7), (5, 9), (1200, 30)])
def test_kernel_distance(n, m):
    a, b = points(n), points(m, seed=1, shift=0.5)
    within = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b)]
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * kernel(a, b).mean(), rel=1e-5)


def brute_force(real, drawn):
    def radii(x):
        return np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, min(NEIGHBOURS, len(x) - 1)]

    distances = np.linalg.norm(drawn[:, None] - real, axis=2)
    inside, reached = distances <= radii(real) + 1e-6, distances <= radii(drawn)[:, None] + 1e-6
    return {
        "precision": inside.any(axis=1).mean(),
        "recall": reached.any(axis=0).mean(),
        "density": inside.sum() / (NEIGHBOURS * len(drawn)),
        "coverage": inside.any(axis=0).mean(),
    }


@pytest.mark.parametrize(("n", "m"), [(40, 60), (1100, 20), (3, 4)])
def test_precision_and_recall(n, m):
    real, drawn = points(n), points(m, seed=1, scale=0.5, shift=0.5)
    assert precision_and_recall(real, drawn) == pytest.approx(brute_force(real, drawn), abs=2e-3)


def test_extremes():
    same, far = points(30), points(30) + 100.0
    assert precision_and_recall(same, same) == pytest.approx(
        {"precision": 1.0, "recall": 1.0, "density": 1.2, "coverage": 1.0}, abs=0.05
    )
    assert set(precision_and_recall(same, far).values()) == {0.0}

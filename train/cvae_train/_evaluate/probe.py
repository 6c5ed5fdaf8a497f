"""A linear probe: how well a linear classifier of the latents names the classes (Alain and Bengio, 2017)."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Loss = Callable[[Floats], tuple[float, Floats]]

PROBE_IMAGES = 10_000  # training images at most; more hardly change the accuracy
_STEPS, _PAIRS = 500, 10
_TOLERANCE = 1e-5  # largest element of the gradient, per point
_DECREASE, _SHORTER, _SHORTEST = 1e-4, 0.5, 1e-9  # of the line search: c1 of Armijo's condition, and its steps


def probe_accuracy(
    train: Floats, train_labels: NDArray[np.int64], test: Floats, test_labels: NDArray[np.int64], classes: int
) -> float:
    """Share of the test points that a multinomial logistic regression of the training points classifies correctly.

    Args:
        train, test: points, (N, L) and (M, L); standardized with mean and standard deviation of the training points.
        train_labels, test_labels: their classes, (N,) and (M,), from 0 to below ``classes``.
        classes: number of classes.
    """
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scale = np.where(deviation > 0.0, deviation, 1.0)
    weights = fit_classifier((train - mean) / scale, train_labels, classes)
    found = (_with_one((test - mean) / scale) @ weights).argmax(axis=1)
    return float((found == test_labels).mean())


def fit_classifier(points: Floats, labels: NDArray[np.int64], classes: int) -> Floats:
    """Fit a multinomial logistic regression with an L2 penalty.

    Returns:
        Weights (L + 1, classes), the biases last. They minimize the sum over the points of -log softmax(logits)[label],
        plus half the sum of the squared weights without the biases: the mode of the posterior under weights with the
        prior N(0, I) (Bishop, "Pattern recognition and machine learning", 2006, sections 4.3.4 and 4.5).
    """
    x = _with_one(points)
    places = np.arange(len(x))

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(x.shape[1], classes)
        penalized = np.concatenate([weights[:-1], np.zeros((1, classes))])
        logits = x @ weights
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        value = np.log(total).sum() - logits[places, labels].sum() + 0.5 * np.sum(penalized**2)
        p /= total
        p[places, labels] -= 1.0
        return float(value) / len(x), (x.T @ p + penalized).ravel() / len(x)

    return _minimize(loss, np.zeros(x.shape[1] * classes)).reshape(x.shape[1], classes)


def _with_one(points: Floats) -> Floats:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _minimize(loss: Loss, start: Floats) -> Floats:
    """Minimize a convex function by L-BFGS (Nocedal and Wright, "Numerical optimization", 2006, algorithm 7.5)."""
    x, (value, gradient) = start, loss(start)
    pairs: deque[tuple[Floats, Floats]] = deque(maxlen=_PAIRS)
    for _ in range(_STEPS):
        if np.abs(gradient).max() < _TOLERANCE:
            break
        direction = -_times_inverse_hessian(gradient, pairs)
        slope, step = float(gradient @ direction), 1.0
        while (result := loss(x + step * direction))[0] > value + _DECREASE * step * slope and step > _SHORTEST:
            step *= _SHORTER
        moved, change = step * direction, result[1] - gradient
        if moved @ change > 0.0:
            pairs.append((moved, change))
        x, (value, gradient) = x + moved, result
    return x


def _times_inverse_hessian(gradient: Floats, pairs: deque[tuple[Floats, Floats]]) -> Floats:
    """Estimate the product with the inverse Hessian from the last steps and changes of the gradient: algorithm 7.4."""
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - (y @ q) / (s @ y)) * s
    return q

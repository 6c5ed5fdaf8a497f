"""Simple models of the same pixels, fitted to the training images: what a trained model must beat."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cvae_runtime.images import spans

Floats = NDArray[np.float64]

_UNIFORM_VARIANCE = 1 / 12  # of noise between 0 and 1
_OVERSAMPLED, _ITERATIONS = 10, 6  # for the randomized eigenvectors
_DEPENDENT = 1e-13  # squared length, relative to the longest, below which a direction is rounding error


@dataclasses.dataclass(frozen=True)
class Baselines:
    """Mean log likelihood of the test images under simple models, in nats per image.

    Attributes:
        histogram: under `histogram_log_likelihood`.
        pca: under `pca_log_likelihood`, a lower bound.
        pca_dimensions: number of latent dimensions of the PCA.
    """

    histogram: float
    pca: float
    pca_dimensions: int


def fit_baselines(
    train: NDArray[np.uint8], test: NDArray[np.uint8], latent_dim: int, binarize_at: int | None
) -> Baselines:
    """Fit the baselines to the training images and measure them on the test images.

    Args:
        train: uint8 (N, H, W, C), N at least 1.
        test: uint8 (M, H, W, C).
        latent_dim: number of latent dimensions of the PCA; fewer if there are fewer images or pixels.
        binarize_at: see `TrainConfig.binarize_at`.
    """
    dimensions = min(latent_dim, len(train) - 1, train[0].size - 1)
    return Baselines(
        histogram=float(histogram_log_likelihood(train, test, binarize_at).mean()),
        pca=float(pca_log_likelihood(train, test, dimensions, binarize_at).mean()),
        pca_dimensions=dimensions,
    )


def histogram_log_likelihood(train: NDArray[np.uint8], test: NDArray[np.uint8], binarize_at: int | None) -> Floats:
    """Log likelihood of each test image under independent pixels and channels, (M,), in nats.

    Each has the histogram of its training values with one added to each count (Laplace's rule of succession): a
    categorical distribution of 256 levels, or a Bernoulli distribution of binarized pixels.
    """
    level_count = 256 if binarize_at is None else 2
    places = np.arange(train[0].size)
    counts = np.ones((train[0].size, level_count), np.int32)
    for rows in _levels(train, binarize_at):
        for row in rows:
            counts[places, row] += 1
    log_p = np.log(counts) - math.log(len(train) + level_count)
    return np.array([log_p[places, row].sum() for rows in _levels(test, binarize_at) for row in rows])


def pca_log_likelihood(
    train: NDArray[np.uint8], test: NDArray[np.uint8], dimensions: int, binarize_at: int | None
) -> Floats:
    """Lower bound of the log likelihood of each test image under probabilistic PCA, (M,), in nats.

    Probabilistic PCA (Tipping and Bishop, 1999) is a Gaussian with the maximum likelihood covariance W W' + s I, where
    W has ``dimensions`` columns. A level x of 0, 1, ... stands for the interval from x to x + 1: the probability of an
    image is the integral of the density over its intervals. Let u be uniform on [0, 1). By Jensen's inequality, the log
    of this integral is at least the mean of log p(x + u) (Theis, van den Oord and Bethge, "A note on the evaluation of
    generative models", 2016). For a Gaussian this mean has a closed form, so no noise is drawn. The
    covariance is fitted to x + u in the same way: uniform noise adds 1/12 to each variance.

    The eigenvectors come from randomized subspace iteration with a fixed seed (Halko, Martinsson and Tropp, 2011). It
    takes memory for D x (dimensions + 10) numbers, where D is the number of pixels and channels.

    Args:
        train: uint8 (N, H, W, C), N at least 1.
        test: uint8 (M, H, W, C).
        dimensions: from 0 to below N and D.
        binarize_at: see `TrainConfig.binarize_at`.
    """
    size = train[0].size
    mean = sum(rows.sum(axis=0, dtype=np.float64) for rows in _levels(train, binarize_at)) / len(train)

    def centred(images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        return ((rows - mean).astype(np.float32) for rows in _levels(images, binarize_at))

    total = sum(np.square(rows, dtype=np.float64).sum() for rows in centred(train)) / len(train)
    variances, vectors = _principal(lambda: centred(train), len(train), size, dimensions)
    dimensions = len(variances)
    noise = (total - variances.sum()) / (size - dimensions) + _UNIFORM_VARIANCE
    variances = variances + _UNIFORM_VARIANCE
    constant = size * math.log(2 * math.pi) + np.log(variances).sum() + (size - dimensions) * math.log(noise)
    constant += _UNIFORM_VARIANCE * ((1 / variances).sum() + (size - dimensions) / noise)
    bounds = []
    for rows in centred(test):
        along = np.square((rows @ vectors).astype(np.float64))
        across = np.maximum(np.square(rows, dtype=np.float64).sum(axis=1) - along.sum(axis=1), 0.0)
        bounds.append(-0.5 * (constant + (along / variances).sum(axis=1) + across / noise))
    return np.concatenate(bounds)


def _principal(
    centred: Callable[[], Iterator[NDArray[np.float32]]], count: int, size: int, dimensions: int
) -> tuple[Floats, NDArray[np.float32]]:
    """Largest eigenvalues, and eigenvectors (D, dimensions), of the covariance of centred rows; fewer if some are 0."""
    if dimensions == 0:
        return np.zeros(0), np.zeros((size, 0), np.float32)

    def times_covariance(basis: NDArray[np.float32]) -> Floats:
        parts = ((rows.T @ (rows @ basis)).astype(np.float64) for rows in centred())
        return sum(parts, np.zeros(basis.shape)) / count

    width = min(dimensions + _OVERSAMPLED, count, size)
    product = np.random.default_rng(0).standard_normal((size, width))
    for _ in range(_ITERATIONS):
        basis = _orthonormal(product)
        product = times_covariance(basis)
    values, turned = np.linalg.eigh(basis.T @ product)
    largest = slice(None, -dimensions - 1, -1)
    return np.maximum(values[largest], 0.0), basis @ turned[:, largest].astype(np.float32)


def _orthonormal(columns: Floats) -> NDArray[np.float32]:
    """Orthonormal basis of the space of some columns; with fewer columns if they depend on each other."""
    # A product and a small problem are faster than a QR decomposition, which synchronizes its threads for each column.
    values, vectors = np.linalg.eigh(columns.T @ columns)
    kept = values > _DEPENDENT * values.max(initial=0.0)
    return (columns @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)


def _levels(images: NDArray[np.uint8], binarize_at: int | None) -> Iterator[NDArray[np.uint8]]:
    """Yield the images' levels, 0 to 255 or 0 and 1, as rows uint8 (n, D), some at a time."""
    for span in spans(len(images), 8 * images[0].size):
        rows = images[span].reshape(-1, images[0].size)
        yield rows if binarize_at is None else (rows >= binarize_at).astype(np.uint8)

"""The simple models that a trained one is compared with."""

import itertools
import tracemalloc

import numpy as np
import pytest

from cvae_train._evaluate.baselines import (
    Baselines,
    fit_baselines,
    histogram_log_likelihood,
    pca_log_likelihood,
)

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def same_numbers():
    """Give each test the same numbers, whichever tests ran before it in the process."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


def every_image(levels, pixels):
    return np.array(list(itertools.product(levels, repeat=pixels)), np.uint8).reshape(-1, 1, pixels, 1)


def correlated(count, side=4):
    """Images of two factors, with some noise."""
    directions = np.random.default_rng(1).standard_normal((2, side * side)) * 25
    factors = RNG.standard_normal((count, 2)) @ directions
    noisy = 128 + factors + 3 * RNG.standard_normal(factors.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8).reshape(count, side, side, 1)


def test_the_histogram_adds_one_to_every_count():
    train = np.array([7, 7, 7, 9], np.uint8).reshape(4, 1, 1, 1)
    test = np.array([7, 9, 0], np.uint8).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(np.exp(histogram_log_likelihood(train, test, None)), [4 / 260, 2 / 260, 1 / 260])
    np.testing.assert_allclose(np.exp(histogram_log_likelihood(train, test, 9)), [4 / 6, 2 / 6, 4 / 6])


def test_the_histogram_is_of_each_pixel_and_sums_to_1():
    train = RNG.integers(0, 256, (20, 1, 2, 1), np.uint8)
    train[:, 0, 1] = 3
    log_p = histogram_log_likelihood(train, every_image(range(256), 2), None)
    assert np.exp(log_p).sum() == pytest.approx(1.0)
    assert np.exp(log_p).reshape(256, 256)[:, 3].sum() == pytest.approx(21 / 276)
    assert np.exp(histogram_log_likelihood(train, every_image([0, 255], 2), 128)).sum() == pytest.approx(1.0)


def test_pca_is_the_mean_log_density_under_uniform_noise():
    train, test = correlated(200), correlated(5)
    bound = pca_log_likelihood(train, test, 2, None)
    # The same by definition: the density of Tipping and Bishop's maximum likelihood covariance, and drawn noise.
    flat = train.reshape(200, 16).astype(float)
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False, bias=True) + np.eye(16) / 12)
    noise = values[:-2].mean()
    covariance = vectors[:, -2:] @ np.diag(values[-2:] - noise) @ vectors[:, -2:].T + noise * np.eye(16)
    inverse, log_determinant = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
    y = test.reshape(5, 1, 16) + RNG.random((5, 20_000, 16)) - (flat.mean(axis=0) + 0.5)
    log_density = -0.5 * (16 * np.log(2 * np.pi) + log_determinant + np.einsum("...i,ij,...j", y, inverse, y))
    np.testing.assert_allclose(bound, log_density.mean(axis=1), atol=0.05)
    # Jensen: the log of the mean density is higher, and close.
    integral = np.logaddexp.reduce(log_density, axis=1) - np.log(20_000)
    assert (bound <= integral).all()
    np.testing.assert_allclose(bound, integral, atol=0.5)


@pytest.mark.parametrize("dimensions", [0, 1])
@pytest.mark.parametrize("spread", [1, 40])
def test_pca_is_a_distribution_over_images(dimensions, spread):
    train = np.clip(RNG.normal(128, spread, (500, 1, 2, 1)), 0, 255).astype(np.uint8)
    sum_of_bounds = np.exp(pca_log_likelihood(train, every_image(range(256), 2), dimensions, None)).sum()
    assert 0.8 < sum_of_bounds <= 1.0


def test_pca_of_binarized_pixels():
    train = np.where(RNG.random((400, 1, 3, 1)) > 0.4, 200, 90).astype(np.uint8)
    images = every_image([0, 255], 3)
    bounds = pca_log_likelihood(train, images, 1, 128)
    assert np.exp(bounds).sum() < 1.0
    assert bounds.argmax() == 7  # all white
    np.testing.assert_array_equal(bounds, pca_log_likelihood(np.where(train > 127, 255, 0).astype(np.uint8), images, 1, 128))  # fmt: skip


def test_more_dimensions_fit_better_until_the_data_has_no_more():
    train, test = correlated(500), correlated(100)
    none, one, two, ten = (pca_log_likelihood(train, test, dimensions, None).mean() for dimensions in (0, 1, 2, 10))
    assert none + 5 < one < two - 5
    assert ten == pytest.approx(two, abs=3.0)
    assert two > histogram_log_likelihood(train, test, None).mean() + 10


def test_constant_images_have_a_density():
    images = np.full((6, 2, 2, 1), 77, np.uint8)
    # All variance is that of the noise: the bound of -4/2 (log(2 pi / 12) + 1).
    expected = -2 * (np.log(2 * np.pi / 12) + 1)
    np.testing.assert_allclose(pca_log_likelihood(images, images, 3, None), expected)


def test_dimensions_are_limited_by_images_and_pixels():
    train = correlated(4)
    assert fit_baselines(train, train, 50, None).pca_dimensions == 3
    assert fit_baselines(train[:1], train, 50, None).pca_dimensions == 0
    tall = correlated(40, side=2)
    assert fit_baselines(tall, tall, 50, None).pca_dimensions == 3
    found = fit_baselines(tall, tall, 2, None)
    assert found == Baselines(
        histogram_log_likelihood(tall, tall, None).mean(), pca_log_likelihood(tall, tall, 2, None).mean(), 2
    )


def test_large_images_take_little_memory():
    images = RNG.integers(0, 256, (30, 128, 128, 3), np.uint8)  # a covariance would take 19 GB
    tracemalloc.start()
    fit_baselines(images, images[:3], 20, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6


def test_a_mapped_array_gives_the_same(tmp_path):
    images = correlated(50)
    np.save(tmp_path / "set.npy", images)
    mapped = np.load(tmp_path / "set.npy", mmap_mode="r")
    assert fit_baselines(mapped, images, 3, None) == fit_baselines(images, images, 3, None)

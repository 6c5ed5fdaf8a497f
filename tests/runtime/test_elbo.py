"""The ELBO's parts against their formulas, term by term."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cvae_runtime as cvae
from cvae_runtime._elbo import gaussian_log_density

VALUES = st.floats(-8.0, 8.0, width=32)
LATENTS = arrays(np.float32, (2, 3), elements=VALUES)


def test_bernoulli_is_the_sum_of_each_pixel_s_log_probability():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (3, 4, 5, 1)).astype(np.float32)
    probs = rng.uniform(0.01, 0.99, (3, 4, 5, 1)).astype(np.float32)
    found = cvae.bernoulli_log_likelihood(targets, probs)
    pairs = [zip(x.ravel().tolist(), p.ravel().tolist(), strict=True) for x, p in zip(targets, probs, strict=True)]
    expected = [math.fsum(math.log(p) if x else math.log1p(-p) for x, p in image) for image in pairs]
    assert (found.dtype, found.shape) == (np.float64, (3,))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_grey_targets_give_the_cross_entropy():
    found = cvae.bernoulli_log_likelihood(
        np.full((1, 1, 1, 1), 0.25, np.float32), np.full((1, 1, 1, 1), 0.5, np.float32)
    )
    assert found.tolist() == [math.log(0.5)]


@pytest.mark.parametrize(("target", "prob"), [(1.0, 0.0), (0.0, 1.0)])
def test_a_certain_error_costs_what_the_floor_says(target, prob):
    shape = (1, 1, 2, 1)
    found = cvae.bernoulli_log_likelihood(np.full(shape, target, np.float32), np.full(shape, prob, np.float32))
    np.testing.assert_allclose(found, [2.0 * math.log(1e-7)], rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_certain_hit_costs_next_to_nothing(value):
    shape = (1, 1, 1, 1)
    found = cvae.bernoulli_log_likelihood(np.full(shape, value, np.float32), np.full(shape, value, np.float32))
    np.testing.assert_allclose(found, [math.log1p(-1e-7)], rtol=1e-9)


@given(LATENTS, LATENTS)
def test_kl_is_its_closed_form_and_never_negative(mean, logvar):
    found = cvae.gaussian_kl(mean, logvar)
    rows = zip(mean.tolist(), logvar.tolist(), strict=True)
    expected = [math.fsum((math.exp(v) + m * m - 1.0 - v) / 2.0 for m, v in zip(*row, strict=True)) for row in rows]
    assert (found.dtype, found.shape) == (np.float64, (2,))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert (found >= -1e-12).all()


def test_kl_to_itself_is_zero():
    assert cvae.gaussian_kl(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)).tolist() == [0.0, 0.0]


@given(LATENTS, LATENTS, LATENTS)
def test_log_density_is_the_normal_density_s_logarithm(z, mean, logvar):
    found = gaussian_log_density(z, mean, logvar)
    expected = [
        math.fsum(
            -0.5 * math.log(2.0 * math.pi * math.exp(v)) - (x - m) ** 2 / (2.0 * math.exp(v))
            for x, m, v in zip(*row, strict=True)
        )
        for row in zip(z.tolist(), mean.tolist(), logvar.tolist(), strict=True)
    ]
    assert (found.dtype, found.shape) == (np.float64, (2,))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_kl_is_the_mean_of_the_log_ratio():
    mean, logvar = np.float32([[0.7, -1.2, 0.1]]), np.float32([[-0.5, 0.3, -1.0]])
    noise = cvae.prior_latents(0, 0, 40_000, 3)
    z = cvae.reparameterize(mean, logvar, noise)
    zero = np.zeros(3, np.float32)
    ratio = gaussian_log_density(z, mean, logvar) - gaussian_log_density(z, zero, zero)
    assert abs(ratio.mean() - cvae.gaussian_kl(mean, logvar)[0]) < 5.0 * ratio.std() / math.sqrt(len(ratio))


def test_reparameterize_shifts_and_stretches_the_noise():
    mean, logvar, noise = np.float32([[1, 2]]), np.float32([[0, 2 * math.log(3)]]), np.float32([[-1, 0.5]])
    z = cvae.reparameterize(mean, logvar, noise)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, [[0.0, 3.5]], rtol=1e-6)


def test_targets_are_what_the_training_saw():
    pixels = np.array([0, 1, 127, 128, 254, 255], np.uint8).reshape(1, 2, 3, 1)
    binary, grey = cvae.targets_of(pixels, 128), cvae.targets_of(pixels, None)
    assert (binary.dtype, grey.dtype, binary.shape) == (np.float32, np.float32, pixels.shape)
    assert binary.ravel().tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    np.testing.assert_array_equal(grey, pixels / np.float32(255))
    np.testing.assert_array_equal(cvae.targets_of(pixels, None, 127), pixels / np.float32(127))

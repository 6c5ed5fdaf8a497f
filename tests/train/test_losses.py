import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import bernoulli_log_likelihood, discretized_logistic_log_likelihood, targets_of
from cvae_runtime import gaussian_kl as numpy_gaussian_kl
from cvae_train import TrainConfig, preprocess
from cvae_train._losses import LOG_SCALES, gaussian_kl, log_likelihood, log_normal, pixel_parameters
from cvae_train._objectives import Draws, surrogates


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def test_log_likelihood_is_bernoullis(rng):
    logits = floats(rng, 4, 5, 6, 1)
    x = (rng.random(logits.shape) < 0.5).astype(np.float32)
    p = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    expected = np.log(np.where(x == 1.0, p, 1.0 - p)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(log_likelihood(x, logits, "bernoulli"), expected, rtol=1e-5)
    np.testing.assert_allclose(bernoulli_log_likelihood(x, p.astype(np.float32)), expected, rtol=1e-5)


def test_log_likelihood_of_extreme_logits_stays_finite():
    x, logits = tf.constant([[[[1.0]]], [[[0.0]]]]), tf.constant([[[[-100.0]]], [[[-100.0]]]])
    np.testing.assert_allclose(log_likelihood(x, logits, "bernoulli"), [-100.0, 0.0], atol=1e-6)


def test_the_parameters_of_256_levels_are_locations_first_and_bounded_scales():
    output = tf.constant([[[[0.0, 4.0, -4.0, 0.0, 100.0, -100.0]]]])
    parameters = pixel_parameters(output, "discretized-logistic")
    assert list(parameters) == ["probs", "log_scale"]
    np.testing.assert_allclose(parameters["probs"], [[[[0.5, 0.98201379, 0.01798621]]]], rtol=1e-6)
    least, most = -7.0 - np.log(2.0), 3.0
    np.testing.assert_allclose(parameters["log_scale"], [[[[(least + most) / 2, most, least]]]], rtol=1e-6)
    assert list(pixel_parameters(output, "bernoulli")) == ["probs"]


@pytest.mark.parametrize("channels", [1, 3])
def test_log_likelihood_of_256_levels_is_the_runtimes(rng, channels):
    x = targets_of(rng.integers(0, 256, (5, 6, 7, channels), np.uint8), None)
    x[0], x[1] = 0.0, 1.0
    output = 2 * floats(rng, 5, 6, 7, 2 * channels)
    parameters = {name: array.numpy() for name, array in pixel_parameters(output, "discretized-logistic").items()}
    expected = discretized_logistic_log_likelihood(x, **parameters)
    np.testing.assert_allclose(log_likelihood(x, output, "discretized-logistic"), expected, rtol=1e-4)


@pytest.mark.parametrize("scale", [-60.0, -5.0, 0.0, 60.0])
@pytest.mark.parametrize("location", [-200.0, 0.0, 200.0])
def test_log_likelihood_of_256_levels_and_its_gradient_stay_finite(location, scale):
    x = targets_of(np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1), None)
    output = tf.tile(tf.constant([[[[location, scale]]]]), [256, 1, 1, 1])
    with tf.GradientTape() as tape:
        tape.watch(output)
        value = log_likelihood(x, output, "discretized-logistic")
    assert np.isfinite(value).all()
    assert (value.numpy() <= 0.0).all()
    assert np.isfinite(tape.gradient(value, output)).all()


def test_the_gradient_of_256_levels_is_the_slope(rng):
    x = targets_of(np.array([0, 3, 90, 254, 255], np.uint8).reshape(1, 1, 5, 1), None)
    output = floats(rng, 1, 1, 5, 2)
    variable = tf.Variable(output)
    with tf.GradientTape() as tape:
        value = log_likelihood(x, variable, "discretized-logistic")
    gradient = tape.gradient(value, variable).numpy()

    def runtimes(output):
        m, s = np.split(1.0 / (1.0 + np.exp(-output)), 2, axis=-1)
        return discretized_logistic_log_likelihood(x, m, low + (high - low) * s)[0]

    low, high = LOG_SCALES

    for index in np.ndindex(output.shape):
        step = np.zeros(output.shape)
        step[index] = 1e-5
        slope = (runtimes(output + step) - runtimes(output - step)) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_log_normal_is_the_gaussian_density(rng):
    z, mean, logvar = floats(rng, 4, 3), floats(rng, 4, 3), floats(rng, 4, 3)
    deviation = np.exp(logvar.astype(np.float64) / 2)
    densities = np.exp(-((z - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(log_normal(z, mean, logvar), np.log(densities).sum(axis=1), rtol=1e-5)


def test_log_normal_at_the_standard_normals_peak():
    zero = tf.zeros((1, 2))
    np.testing.assert_allclose(log_normal(zero, zero, zero), [-np.log(2 * np.pi)], rtol=1e-6)


def test_kl_of_the_prior_is_zero_and_of_a_shift_is_half_its_square():
    zero = tf.zeros((1, 3))
    np.testing.assert_allclose(gaussian_kl(zero, zero), [0.0], atol=1e-7)
    np.testing.assert_allclose(gaussian_kl(tf.constant([[1.0, 2.0, 0.0]]), zero), [2.5], rtol=1e-6)


def test_kl_matches_the_runtimes_and_a_brute_force_estimate(rng):
    mean, logvar = floats(rng, 1, 3), floats(rng, 1, 3) * 0.5
    kl = gaussian_kl(mean, logvar).numpy()
    np.testing.assert_allclose(numpy_gaussian_kl(mean, logvar), kl, rtol=1e-5)
    draws = mean + np.exp(logvar / 2) * floats(rng, 400_000, 3)
    log_ratio = log_normal(draws, mean, logvar) - log_normal(draws, tf.zeros_like(draws), tf.zeros_like(draws))
    assert float(tf.reduce_mean(log_ratio)) == pytest.approx(kl[0], abs=0.02)


def test_the_default_objective_is_the_notebooks_three_terms(rng):
    x = (rng.random((2, 3, 3, 1)) < 0.5).astype(np.float32)
    logits, z, mean, logvar = floats(rng, 2, 3, 3, 1), floats(rng, 2, 4), floats(rng, 2, 4), floats(rng, 2, 4)
    log_prior = -0.5 * (z.astype(np.float64) ** 2 + np.log(2 * np.pi)).sum(axis=1)
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(logvar) + logvar + np.log(2 * np.pi)).sum(axis=1)
    log_p_x = log_likelihood(x, logits, "bernoulli")
    draws = Draws(log_p_x[tf.newaxis], z[tf.newaxis], mean, logvar)
    value, same = surrogates(TrainConfig().objective, draws, tf.constant(TrainConfig().beta), 0.0)
    np.testing.assert_allclose(value, log_p_x.numpy() + log_prior - log_q, rtol=1e-5)
    assert same is value


def test_preprocess_binarizes_all_256_grey_values_at_the_threshold():
    pixels = tf.range(256, dtype=tf.int32)
    images = tf.cast(tf.reshape(pixels, (1, 16, 16, 1)), tf.uint8)
    assert preprocess(images, 128).numpy().ravel().tolist() == [0.0] * 128 + [1.0] * 128
    np.testing.assert_allclose(preprocess(images, None).numpy().ravel(), np.arange(256) / 255, rtol=1e-6)

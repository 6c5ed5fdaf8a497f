import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime.elbo import bernoulli_log_likelihood, targets_of
from cvae_runtime.elbo import gaussian_kl as numpy_gaussian_kl
from cvae_runtime.elbo import log_likelihood as runtimes_log_likelihood
from cvae_train import TrainConfig, preprocess
from cvae_train._config import COMPONENTS
from cvae_train._model.losses import LOG_SCALES, gaussian_kl, log_likelihood, log_normal, pixel_parameters
from cvae_train._model.objectives import Draws, surrogates

MIXTURE = "discretized-logistic-mixture"
NUMBERS = {"discretized-logistic": 2, MIXTURE: 3 * COMPONENTS}  # of the decoder, a pixel and channel


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


def test_the_parameters_of_a_single_component():
    output = tf.constant([[[[0.0, 4.0, -4.0, 0.0, 100.0, -100.0]]]])
    parameters = pixel_parameters(output, "discretized-logistic")
    assert list(parameters) == ["probs", "log_scale"]
    np.testing.assert_allclose(parameters["probs"], [[[[0.5, 0.98201379, 0.01798621]]]], rtol=1e-6)
    least, most = -7.0 - np.log(2.0), 3.0
    np.testing.assert_allclose(parameters["log_scale"], [[[[(least + most) / 2, most, least]]]], rtol=1e-6)
    assert list(pixel_parameters(output, "bernoulli")) == ["probs"]


def test_the_parameters_of_a_mixture():
    output = np.arange(2 * 3 * COMPONENTS, dtype=np.float32).reshape(1, 1, 1, -1) - 12.0
    parameters = pixel_parameters(tf.constant(output), MIXTURE)
    assert list(parameters) == ["probs", "location", "log_scale", "mixture_logits"]
    assert {array.shape for array in list(parameters.values())[1:]} == {(1, 1, 1, 2, COMPONENTS)}
    location, log_scale, logits = output.reshape(3, 1, 1, 1, 2, COMPONENTS)
    np.testing.assert_array_equal(parameters["location"], location)
    np.testing.assert_allclose(parameters["log_scale"], np.clip(log_scale, -7.0 - np.log(2.0), 2.0), rtol=1e-6)
    np.testing.assert_array_equal(parameters["mixture_logits"], logits)


def expected_image(location, log_scale, logits):
    """E[clip(X, 0, 1)] = 1 - the integral of the distribution function from 0 to 1, in float64."""
    x = np.linspace(0.0, 1.0, 200_001)
    weights = np.exp(logits - np.logaddexp.reduce(logits))
    below = sum(w * (1.0 + np.tanh((x - m) / (2.0 * np.exp(s)))) / 2.0 for w, m, s in zip(weights, location, log_scale, strict=True))  # fmt: skip
    return 1.0 - np.trapezoid(below, x)


@given(
    st.lists(
        st.tuples(st.floats(-4.0, 5.0, width=32), st.floats(-7.5, 2.0, width=32), st.floats(-9.0, 9.0, width=32)),
        min_size=COMPONENTS,
        max_size=COMPONENTS,
    )
)
def test_the_expected_image_of_a_mixture_is_its_clipped_mean(components):
    numbers = np.float32(components).T
    probs = pixel_parameters(tf.constant(numbers.reshape(1, 1, 1, -1)), MIXTURE)["probs"].numpy()
    assert (probs.dtype, probs.shape) == (np.float32, (1, 1, 1, 1))
    assert probs.item() == pytest.approx(expected_image(*numbers.astype(np.float64)), abs=3e-6)


@given(
    st.lists(
        st.tuples(*[st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-3.0, 3.0, width=32)] * 3),
        min_size=COMPONENTS,
        max_size=COMPONENTS,
    )
)
def test_the_expected_image_of_a_mixture_never_leaves_its_range(components):
    probs = pixel_parameters(tf.constant(np.float32(components).T.reshape(1, 1, 1, -1)), MIXTURE)["probs"].numpy()
    assert 0.0 <= probs.item() <= 1.0


@pytest.mark.parametrize("likelihood", ["discretized-logistic", MIXTURE])
@pytest.mark.parametrize("channels", [1, 3])
def test_log_likelihood_of_256_levels_is_the_runtimes(rng, channels, likelihood):
    x = targets_of(rng.integers(0, 256, (5, 6, 7, channels), np.uint8), None)
    x[0], x[1] = 0.0, 1.0
    output = 2 * floats(rng, 5, 6, 7, NUMBERS[likelihood] * channels)
    parameters = {name: array.numpy() for name, array in pixel_parameters(output, likelihood).items()}
    expected = runtimes_log_likelihood(x, parameters, likelihood)
    np.testing.assert_allclose(log_likelihood(x, output, likelihood), expected, rtol=1e-4)


@pytest.mark.parametrize("likelihood", ["discretized-logistic", MIXTURE])
@pytest.mark.parametrize("scale", [-60.0, -5.0, 0.0, 60.0])
@pytest.mark.parametrize("location", [-200.0, 0.0, 200.0])
def test_log_likelihood_of_256_levels_and_its_gradient_stay_finite(location, scale, likelihood):
    x = targets_of(np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1), None)
    numbers = [location, scale]
    if likelihood == MIXTURE:
        numbers = [location * n for n in range(COMPONENTS)] + [scale] * COMPONENTS + [location] * COMPONENTS
    output = tf.tile(tf.constant([[[numbers]]]), [256, 1, 1, 1])
    with tf.GradientTape() as tape:
        tape.watch(output)
        value = log_likelihood(x, output, likelihood)
    assert np.isfinite(value).all()
    assert (value.numpy() <= 1e-6).all()
    assert np.isfinite(tape.gradient(value, output)).all()


@pytest.mark.parametrize("likelihood", ["discretized-logistic", MIXTURE])
def test_the_gradient_of_256_levels_is_the_slope(rng, likelihood):
    x = targets_of(np.array([0, 3, 90, 254, 255], np.uint8).reshape(1, 1, 5, 1), None)
    output = floats(rng, 1, 1, 5, NUMBERS[likelihood])
    variable = tf.Variable(output)
    with tf.GradientTape() as tape:
        value = log_likelihood(x, variable, likelihood)
    gradient = tape.gradient(value, variable).numpy()

    def runtimes(output):
        if likelihood == MIXTURE:
            location, log_scale, logits = np.split(output[..., np.newaxis, :], 3, axis=-1)
            parameters = {"location": location, "log_scale": log_scale, "mixture_logits": logits}
        else:
            m, s = np.split(1.0 / (1.0 + np.exp(-output)), 2, axis=-1)
            parameters = {"probs": m, "log_scale": low + (high - low) * s}
        return runtimes_log_likelihood(x, parameters, likelihood)[0]

    low, high = LOG_SCALES

    for index in np.ndindex(output.shape):
        step = np.zeros(output.shape)
        step[index] = 1e-5
        slope = (runtimes(output + step) - runtimes(output - step)) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_the_gradient_of_a_mixture_in_colour_is_that_of_its_formula(rng):
    x = tf.constant(targets_of(rng.integers(0, 256, (3, 4, 5, 3), np.uint8), None))
    output = tf.constant(floats(rng, 3, 4, 5, 9 * COMPONENTS))
    weights = tf.constant([1.0, -2.0, 0.5])  # of images

    def plain(output):
        parts = [
            tf.reshape(part, [3, 4, 5, 3, COMPONENTS]) for part in tf.split(tf.cast(output, tf.float64), 3, axis=-1)
        ]
        level = tf.cast(x, tf.float64)[..., tf.newaxis]
        a, b = ((level + end / 510 - parts[0]) / tf.exp(tf.minimum(parts[1], 2.0)) for end in (-1, 1))
        p = tf.where(level == 1.0, 1.0, tf.sigmoid(b)) - tf.where(level == 0.0, 0.0, tf.sigmoid(a))
        return tf.reduce_sum(tf.math.log(tf.reduce_sum(tf.nn.softmax(parts[2]) * p, axis=-1)), axis=[1, 2, 3])

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(output)
            value = tf.cast(function(output), tf.float32)
            total = tf.reduce_sum(value * weights)
        return value, tape.gradient(total, output)

    for found, expected in zip(
        gradient(lambda output: log_likelihood(x, output, MIXTURE)), gradient(plain), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_log_normal_is_the_gaussian_density(rng):
    z, mean, logvar = floats(rng, 4, 3), floats(rng, 4, 3), floats(rng, 4, 3)
    deviation = np.exp(logvar.astype(np.float64) / 2)
    densities = np.exp(-((z - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(log_normal(z, mean, logvar), np.log(densities).sum(axis=1), rtol=1e-5)


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

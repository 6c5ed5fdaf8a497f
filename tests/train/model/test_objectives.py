"""Objectives against a known model: x ~ N(z, 1), z ~ N(0, 1), so that log p(x) = log N(x; 0, 2)."""

import math

import numpy as np
import pytest
import tensorflow as tf

from cvae_train._model.losses import gaussian_kl, log_normal
from cvae_train._model.objectives import Draws, elbo, surrogates

X = 1.3
LOG_EVIDENCE = -0.5 * (math.log(2 * math.pi * 2.0) + X**2 / 2.0)
DRAWS = 200_000
ONE = tf.constant(1.0)


def gradients(objective, mean, logvar, k, count=DRAWS, shift=0.0, beta=ONE, free_bits=0.0):
    """The surrogates' means and the encoder's and decoder's gradients, for ``count`` images that are all x = X."""
    q = tf.constant([mean, logvar], tf.float32)
    theta = tf.constant(shift, tf.float32)  # the decoder: p(x|z) = N(z + theta, 1)
    noise = tf.random.stateless_normal((k, count, 1), seed=(1, k))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([q, theta])
        means, logvars = tf.fill((count, 1), q[0]), tf.fill((count, 1), q[1])
        z = means + tf.exp(logvars / 2) * noise
        draws = Draws(log_normal(tf.fill(z.shape, X), z + theta, tf.zeros_like(z)), z, means, logvars)
        for_decoder, for_encoder = surrogates(objective, draws, beta, free_bits)
        decoder, encoder = tf.reduce_mean(for_decoder), tf.reduce_mean(for_encoder)
    return decoder.numpy(), tape.gradient(encoder, q).numpy(), tape.gradient(decoder, theta).numpy(), draws, for_encoder


def exact_elbo(mean, logvar, theta=0.0):
    """The ELBO and its gradients by mean, logvar and theta, in closed form."""
    variance = math.exp(logvar)
    value = -0.5 * (math.log(2 * math.pi) + (X - mean - theta) ** 2 + variance) - 0.5 * (
        variance + mean**2 - 1.0 - logvar
    )
    return value, (X - mean - theta - mean, -variance + 0.5), X - mean - theta


@pytest.mark.parametrize("objective", ["elbo", "analytic-kl", "stl"])
def test_single_sample_objectives_have_the_elbo_s_gradients(objective):
    value, encoder, decoder, _, _ = gradients(objective, 0.2, -0.3, k=1)
    expected, expected_encoder, expected_decoder = exact_elbo(0.2, -0.3)
    assert value == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(encoder, expected_encoder, atol=0.02)
    assert decoder == pytest.approx(expected_decoder, abs=0.02)


def brute_force_bound(mean, logvar, k, theta=0.0):
    """The importance-weighted bound by float64 NumPy with the same noise, for finite differences."""
    noise = tf.random.stateless_normal((k, DRAWS, 1), seed=(1, k)).numpy()[..., 0].astype(np.float64)
    z = mean + math.exp(logvar / 2) * noise
    log_w = -0.5 * (math.log(2 * math.pi) + (X - z - theta) ** 2) - 0.5 * z**2 + 0.5 * (logvar + noise**2)
    highest = log_w.max(axis=0)
    return float((highest + np.log(np.exp(log_w - highest).mean(axis=0))).mean())


@pytest.mark.parametrize("objective", ["iwae", "dreg"])
@pytest.mark.parametrize("k", [1, 5])
def test_weighted_objectives_have_the_gradients_of_the_bound(objective, k):
    mean, logvar, step = 0.2, -0.3, 1e-3
    _, encoder, decoder, _, _ = gradients(objective, mean, logvar, k)
    by_mean = (brute_force_bound(mean + step, logvar, k) - brute_force_bound(mean - step, logvar, k)) / (2 * step)
    by_logvar = (brute_force_bound(mean, logvar + step, k) - brute_force_bound(mean, logvar - step, k)) / (2 * step)
    by_theta = (brute_force_bound(mean, logvar, k, step) - brute_force_bound(mean, logvar, k, -step)) / (2 * step)
    # DReG's is another estimator of the same expectation: equal but for the noise of 200,000 draws.
    np.testing.assert_allclose(encoder, [by_mean, by_logvar], atol=0.015 if objective == "dreg" else 2e-3)
    assert decoder == pytest.approx(by_theta, abs=0.01)


def test_iwae_is_the_elbo_at_one_draw_and_grows_to_the_evidence():
    values = [gradients("iwae", 0.2, -0.3, k, count=20_000)[0] for k in (1, 10, 200)]
    assert values[0] == pytest.approx(exact_elbo(0.2, -0.3)[0], abs=0.02)
    assert values[0] < values[1] < values[2] + 1e-3
    assert values[2] == pytest.approx(LOG_EVIDENCE, abs=0.01)


def test_stl_has_no_variance_at_the_true_posterior():
    # The true posterior of x is N(x / 2, 1 / 2).
    _, _, _, draws, _ = gradients("stl", X / 2, math.log(0.5), k=1, count=1000)
    q = tf.stack([draws.mean[:, 0], draws.logvar[:, 0]])
    noise = (draws.z[0, :, 0] - q[0]) / tf.exp(q[1] / 2)
    spreads = {}
    for objective in ("elbo", "stl"):
        with tf.GradientTape() as tape:
            tape.watch(q)
            means, logvars = q[0][:, tf.newaxis], q[1][:, tf.newaxis]
            z = means + tf.exp(logvars / 2) * noise[:, tf.newaxis]
            log_p_x = log_normal(tf.fill(z.shape, X), z, tf.zeros_like(z))
            value, _ = surrogates(objective, Draws(log_p_x[tf.newaxis], z[tf.newaxis], means, logvars), ONE, 0.0)
            total = tf.reduce_sum(value)
        spreads[objective] = tape.gradient(total, q).numpy().std(axis=1)
    assert spreads["stl"].max() < 1e-5
    assert spreads["elbo"].min() > 0.1


def test_dreg_has_less_variance_than_iwae_with_many_draws():
    spreads = {}
    for objective in ("iwae", "dreg"):
        estimates = []
        for seed in range(60):
            noise = tf.random.stateless_normal((50, 20, 1), seed=(seed, 3))
            q = tf.constant([0.2, -0.3])
            with tf.GradientTape() as tape:
                tape.watch(q)
                means, logvars = tf.fill((20, 1), q[0]), tf.fill((20, 1), q[1])
                z = means + tf.exp(logvars / 2) * noise
                log_p_x = log_normal(tf.fill(z.shape, X), z, tf.zeros_like(z))
                value = tf.reduce_mean(surrogates(objective, Draws(log_p_x, z, means, logvars), ONE, 0.0)[1])
            estimates.append(tape.gradient(value, q).numpy())
        spreads[objective] = np.std(estimates, axis=0)
    assert (spreads["dreg"] < 0.5 * spreads["iwae"]).all()


def test_beta_weighs_the_kl():
    draws = gradients("elbo", 0.2, -0.3, k=1, count=5)[3]
    kl = gaussian_kl(draws.mean, draws.logvar)
    plain, _ = surrogates("analytic-kl", draws, ONE, 0.0)
    heavy, _ = surrogates("analytic-kl", draws, tf.constant(4.0), 0.0)
    np.testing.assert_allclose(plain - heavy, 3.0 * kl, rtol=1e-5)
    first, _ = surrogates("elbo", draws, tf.constant(0.0), 0.0)
    np.testing.assert_allclose(first, draws.log_p_x[0])


def test_free_bits_hold_a_dimension_s_kl_up_and_stop_its_gradient():
    mean, logvar = tf.constant([[0.1, 3.0]]), tf.zeros((1, 2))
    with tf.GradientTape() as tape:
        tape.watch(mean)
        draws = Draws(tf.zeros((1, 1)), mean[tf.newaxis], mean, logvar)
        value, _ = surrogates("analytic-kl", draws, ONE, 0.5)
    np.testing.assert_allclose(value, [-(0.5 + 4.5)], rtol=1e-6)  # the first's KL is 0.005, the second's 4.5
    np.testing.assert_allclose(tape.gradient(value, mean), [[0.0, -3.0]], rtol=1e-6)


def test_the_reported_elbo_is_the_mean_over_the_draws():
    draws = gradients("iwae", 0.2, -0.3, k=4, count=6)[3]
    zero = np.zeros_like(draws.z)
    log_q = log_normal(draws.z, draws.mean, draws.logvar)
    expected = (draws.log_p_x + log_normal(draws.z, zero, zero) - log_q).numpy().mean(axis=0)
    np.testing.assert_allclose(elbo(draws), expected, rtol=1e-5)

import math

import numpy as np
import pytest
import tensorflow as tf

from cvae_train import CVAE, ModelConfig
from cvae_train._model.flow import COUPLINGS, Flow, rotation


def made(latent_dim, spread=0.3):
    """A flow whose last layers are not zero."""
    flow = Flow(latent_dim, iter(range(100)))
    random = np.random.default_rng(latent_dim)
    for variable in flow.trainable_variables:
        variable.assign(
            variable.numpy() + spread * random.standard_normal(variable.shape) / math.sqrt(variable.shape[0])
        )
    return flow


def normal(count, latent_dim, seed=0):
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype(np.float32)


def log_normal(z):
    return -0.5 * (z.astype(np.float64) ** 2 + math.log(2 * math.pi)).sum(axis=1)


@pytest.mark.parametrize("latent_dim", [2, 3, 7, 50])
def test_inverse(latent_dim):
    flow, noise = made(latent_dim), normal(64, latent_dim)
    z = flow(noise)
    back, log_p = flow.inverse(z)
    assert np.abs(z - noise).max() > 0.1
    np.testing.assert_allclose(back, noise, rtol=0, atol=1e-4)
    assert log_p.shape == (64,)


@pytest.mark.parametrize("latent_dim", [2, 5])
def test_density_is_that_of_the_change_of_variables(latent_dim):
    flow, noise = made(latent_dim), tf.constant(normal(32, latent_dim))
    with tf.GradientTape() as tape:
        tape.watch(noise)
        z = flow(noise)
    jacobians = tape.batch_jacobian(z, noise).numpy().astype(np.float64)
    expected = log_normal(noise.numpy()) - np.linalg.slogdet(jacobians)[1]
    np.testing.assert_allclose(flow.inverse(z)[1], expected, rtol=0, atol=1e-4)


def test_density_integrates_to_one():
    axis = np.linspace(-12, 12, 481, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(made(2, 0.2).inverse(tf.constant(grid))[1].numpy().astype(np.float64))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=1e-3)


def test_starts_as_the_standard_normal():
    flow, noise = Flow(6, iter(range(100))), normal(100, 6)
    z = flow(noise).numpy()
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.linalg.norm(noise, axis=1), rtol=1e-5)
    np.testing.assert_allclose(flow.inverse(tf.constant(z))[1], log_normal(noise), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [2, 3, 50])
def test_rotations_are_orthogonal_and_differ(size):
    matrices = [rotation(size, number) for number in range(COUPLINGS)]
    for matrix in matrices:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), rtol=0, atol=1e-12)
    assert len({matrix.tobytes() for matrix in matrices}) == COUPLINGS


def test_rotation_is_fixed():
    # The weights of a run are of no use with other rotations.
    np.testing.assert_allclose(rotation(2, 0), [[-0.34337, 0.93920], [-0.93920, -0.34337]], rtol=0, atol=1e-5)


def test_model_draws_and_scores_through_its_prior():
    model = CVAE(ModelConfig(image_shape=(8, 8, 1), latent_dim=4, filters=(4, 6), prior="learned"), seed=1)
    for variable in model.prior.trainable_variables:
        variable.assign(variable.numpy() + 0.1)
    noise = normal(5, 4)
    z = model.latents(noise)
    np.testing.assert_array_equal(model.sample(noise), model.decode(z, apply_sigmoid=True))
    twice = tf.stack([z, z + 1.0])
    log_p = model.log_prior(twice)
    assert log_p.shape == (2, 5)
    np.testing.assert_allclose(log_p[1], model.prior.inverse(z + 1.0)[1], rtol=1e-5)
    paths = [variable.path for variable in model.variables]
    assert len(set(paths)) == len(paths)
    assert "prior/coupling_8_out/kernel" in paths


def test_model_without_one():
    model = CVAE(ModelConfig(image_shape=(8, 8, 1), latent_dim=4, filters=(4, 6)))
    noise = normal(5, 4)
    np.testing.assert_array_equal(model.latents(noise), noise)
    np.testing.assert_allclose(model.log_prior(tf.constant(noise)), log_normal(noise), rtol=1e-5)

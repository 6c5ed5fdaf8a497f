"""Muon: which variables it takes, and what it does to them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae_train import CVAE, ModelConfig
from cvae_train._loop.muon import Muon, orthogonalized

MODEL = ModelConfig((8, 8, 3), 3, (4, 6), "discretized-logistic-mixture", "residual")


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (64, 4), (1, 9)])
def test_singular_values_become_about_1(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 1e-3
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    result = orthogonalized(tf.constant(matrix)).numpy()
    diagonal = u.T @ result @ v.T
    assert np.abs(diagonal - np.diag(np.diag(diagonal))).max() < 1e-4
    assert 0.6 < np.diag(diagonal).min() <= np.diag(diagonal).max() < 1.3


def test_a_gradient_of_zeros_changes_nothing():
    assert not orthogonalized(tf.zeros([4, 3])).numpy().any()


@pytest.fixture
def updated():
    """Weights of a model before and after an update by an optimizer, by path."""

    def updated(optimizer, steps=3):
        model = CVAE(MODEL, 1)
        variables = model.trainable_variables
        before = {variable.path: variable.numpy() for variable in variables}
        optimizer.build(variables)
        rng = np.random.default_rng(2)
        for _ in range(steps):
            optimizer.apply([tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables], variables)
        return before, {variable.path: variable.numpy() for variable in variables}

    return updated


def test_biases_and_output_layers_are_those_of_adam(updated):
    _, by_muon = updated(Muon(1e-2, epsilon=1e-8))
    _, by_adam = updated(keras.optimizers.Adam(1e-2, epsilon=1e-8))
    equal = {path for path, value in by_muon.items() if np.allclose(value, by_adam[path], rtol=0, atol=1e-7)}
    kernels = {path for path in by_muon if path.endswith("kernel")}
    assert kernels & equal == {f"decoder/{name}/kernel" for name in ("sketch_1", "sketch_2", "spread", "out")}
    assert set(by_muon) - kernels <= equal


def test_an_update_of_a_kernel_is_as_large_as_adams(updated):
    before, after = updated(Muon(1e-2, epsilon=1e-8), steps=1)
    for path in ("encoder/down_2/kernel", "encoder/dense/kernel", "decoder/dense/kernel"):
        change = (after[path] - before[path]).reshape(-1, before[path].shape[-1])
        assert 0.1 * 1e-2 < np.sqrt((change**2).mean()) < 0.3 * 1e-2, path


def test_the_second_update_follows_the_momentum():
    gradients = np.random.default_rng(3).normal(size=(2, 6, 4)).astype(np.float32)
    weights = keras.Variable(np.zeros((6, 4), np.float32), name="kernel")
    optimizer = Muon(0.5, epsilon=1e-8)
    optimizer.build([weights])
    expected, momentum = np.zeros((6, 4), np.float32), 0.0
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [weights])
        momentum = 0.95 * momentum + gradient
        ahead = tf.constant(gradient + 0.95 * momentum)
        expected -= 0.5 * 0.2 * 6**0.5 * orthogonalized(ahead).numpy()
    assert np.allclose(weights.numpy(), expected, atol=1e-6)

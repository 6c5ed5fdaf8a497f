import dataclasses

import numpy as np
import pytest

from cvae_export._reference import Reference, grey_images
from cvae_runtime import posterior_noise, prior_latents
from cvae_runtime.elbo import bernoulli_log_likelihood, gaussian_kl, reparameterize, targets_of


def test_grey_pictures_hold_all_grey_values():
    for shape in ((28, 28, 1), (8, 8, 1), (4, 4, 3)):
        pictures = grey_images(shape)
        assert pictures.shape[1:] == shape
        assert set(np.unique(pictures)) == set(range(256))
    assert len(set(np.unique(grey_images((28, 28, 1))[0]))) == 256


def test_the_elbo_is_the_definition_over_the_test_set(reference, trained, tiny_data):
    mean, logvar = (t.numpy() for t in trained.model.encode((tiny_data.test >= 128).astype(np.float32)))
    z = reparameterize(mean, logvar, posterior_noise(0, 0, 13, 3))
    probs = trained.model.decode(z, apply_sigmoid=True).numpy()
    elbos = bernoulli_log_likelihood(targets_of(tiny_data.test, 128), probs) - gaussian_kl(mean, logvar)
    np.testing.assert_allclose(reference.elbos, elbos, atol=1e-4)


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_model_s_own_outputs_change_no_elbo(reference, role):
    expected = reference.expected(role)
    np.testing.assert_array_equal(expected.elbos(expected.outputs), reference.elbos)


def test_inputs_are_test_images_then_grey_images(reference, tiny_data):
    expected = reference.expected("encoder")
    images = expected.inputs(0, expected.count)["images"]
    np.testing.assert_array_equal(images[:13], tiny_data.test)
    np.testing.assert_array_equal(images[13:], grey_images((8, 8, 1)))
    np.testing.assert_array_equal(expected.inputs(3, 5)["images"], tiny_data.test[3:5])


def test_latents_are_posterior_then_prior_draws(reference, trained, tiny_data):
    mean, logvar = (t.numpy() for t in trained.model.encode((tiny_data.test >= 128).astype(np.float32)))
    z = reference.expected("decoder").inputs(0, 77)["z"]
    np.testing.assert_allclose(z[:13], reparameterize(mean, logvar, posterior_noise(0, 0, 13, 3)), atol=1e-5)
    np.testing.assert_array_equal(z[13:], prior_latents(0, 0, 64, 3))


def test_without_test_images_there_are_outputs_and_no_elbo(source):
    reference = Reference(dataclasses.replace(source, test_images=None))
    expected = reference.expected("decoder")
    assert reference.elbos is None
    assert expected.elbos is None
    assert expected.outputs["probs"].shape == (64, 8, 8, 1)


def test_golden_inputs(reference, tiny_data):
    images = reference.golden_inputs("encoder")["images"]
    np.testing.assert_array_equal(images, np.concatenate([tiny_data.test[:2], grey_images((8, 8, 1))[:1]]))
    assert reference.golden_inputs("decoder")["z"].shape == (4, 3)

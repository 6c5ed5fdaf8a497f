"""`detector_terms` against the formulas, image by image and draw by draw."""

import dataclasses

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime import elbo
from cvae_runtime._math import value_log_likelihood
from cvae_runtime._score import detector as _detector


def terms_of(model, images, draws):
    info = model.manifest.model
    return elbo.detector_terms(
        images,
        model.encode(images),
        lambda z: {"probs": model.decode(z)},
        likelihood=info.likelihood,
        preprocessing=info.preprocessing,
        draws=draws,
    )


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("decoded", [1, 4, 1000])
def test_all_images_have_the_same_draws(draws, decoded, tiny_model, tiny, monkeypatch):
    monkeypatch.setattr(_detector, "_DECODED_AT_A_TIME", decoded)
    found = terms_of(tiny_model, tiny.images, draws)
    noise = cvae.posterior_noise(0, 0, draws, 3)
    for index, image in enumerate(tiny.images):
        mean, logvar = tiny_model.encode(image)
        z = elbo.reparameterize(mean, logvar, noise)
        x = elbo.targets_of(image, 128)[np.newaxis].repeat(draws, axis=0)
        pixels = value_log_likelihood(x, {"probs": tiny_model.decode(z)}, "bernoulli")[..., 0].mean(axis=0)
        assert np.allclose(found.pixels[index], pixels, atol=1e-5)
        assert np.allclose(found.reconstruction[index], pixels.sum(), atol=1e-4)
        assert np.allclose(found.kl[index], elbo.gaussian_kl(mean, logvar)[0], atol=1e-6)
    assert (found.elbo == found.reconstruction - found.kl).all()


def test_the_first_image_has_the_draws_of_score(tiny_model, tiny):
    scores = tiny_model.score(tiny.images[:1], samples=4)
    found = terms_of(tiny_model, tiny.images[:1], 4)
    assert np.allclose([found.elbo, found.reconstruction, found.kl], [scores.elbo, scores.reconstruction, scores.kl])


def test_a_learned_prior_is_averaged_over_the_draws(tiny_model, tiny):
    info = tiny_model.manifest.model
    posterior = tiny_model.encode(tiny.images)

    def log_prior(z):  # N(0, I), so that the KL is that of the closed form in expectation
        return elbo.gaussian_log_density(z, np.zeros(3, np.float32), np.zeros(3, np.float32))

    found = elbo.detector_terms(
        tiny.images,
        posterior,
        lambda z: {"probs": tiny_model.decode(z)},
        likelihood=info.likelihood,
        preprocessing=info.preprocessing,
        draws=4000,
        log_prior=log_prior,
    )
    assert np.allclose(found.kl, elbo.gaussian_kl(*posterior), atol=0.3)


def test_grey_levels_cost_their_divergence(tiny_model, tiny):
    info = tiny_model.manifest.model
    images = np.random.default_rng(0).integers(0, 256, tiny.images.shape, np.uint8)
    posterior = tiny_model.encode(images)
    found = elbo.detector_terms(
        images,
        posterior,
        lambda z: {"probs": tiny_model.decode(z)},
        likelihood="bernoulli",
        preprocessing=dataclasses.replace(info.preprocessing, binarize_at=None),
        draws=1,
    )
    z = elbo.reparameterize(*posterior, cvae.posterior_noise(0, 0, 1, 3).repeat(len(images), axis=0))
    p = tiny_model.decode(z).astype(np.float64)
    x = np.where((images == 0) | (images == 255), np.nan, images / 255)
    divergence = x * np.log(x / p) + (1 - x) * np.log((1 - x) / (1 - p))
    divergence = np.where(images == 0, -np.log(1 - p), np.where(images == 255, -np.log(p), divergence))
    assert np.allclose(found.pixels, -divergence.sum(axis=3), atol=1e-4)
    assert np.allclose(found.reconstruction, -divergence.sum(axis=(1, 2, 3)), atol=1e-3)
    assert (found.error == -found.reconstruction).all()
    assert (found.pixel_errors == -found.pixels).all()


@pytest.mark.parametrize("draws", [1, 3])
def test_errors_do_not_depend_on_the_likelihood(draws, tiny_model, tiny):
    info = tiny_model.manifest.model
    images = np.random.default_rng(0).integers(0, 256, tiny.images.shape, np.uint8)

    def terms(likelihood):
        def decode(z):
            probs = tiny_model.decode(z)
            return {"probs": probs, "log_scale": np.full_like(probs, -2.0)}

        return elbo.detector_terms(
            images,
            tiny_model.encode(images),
            decode,
            likelihood=likelihood,
            preprocessing=dataclasses.replace(info.preprocessing, binarize_at=None),
            draws=draws,
        )

    of_levels, bernoulli = terms("discretized-logistic"), terms("bernoulli")
    assert (of_levels.pixel_errors == bernoulli.pixel_errors).all()
    assert (of_levels.error == bernoulli.error).all()
    assert (of_levels.error > 0).all()
    assert not np.allclose(of_levels.reconstruction, -of_levels.error, rtol=0.1)


def test_the_entropy_of_targets():
    x = np.array([0.0, 0.1, 0.5, 1.0], np.float32).reshape(4, 1, 1, 1)
    found = elbo.target_entropy(x).ravel()
    assert np.allclose(found, [0.0, 0.3250829733914482, np.log(2.0), 0.0], atol=1e-7)


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized-logistic", "discretized-logistic-mixture"])
def test_values_add_up_to_the_log_likelihood(likelihood):
    rng = np.random.default_rng(0)
    targets = (rng.integers(0, 256, (5, 3, 4, 2)) / 255).astype(np.float32)
    outputs = {
        "probs": rng.uniform(size=targets.shape).astype(np.float32),
        "location": rng.normal(size=(*targets.shape, 3)).astype(np.float32),
        "mixture_logits": rng.normal(size=(*targets.shape, 3)).astype(np.float32),
    }
    shape = targets.shape if likelihood == "discretized-logistic" else (*targets.shape, 3)
    outputs["log_scale"] = rng.normal(-2.0, 1.0, shape).astype(np.float32)
    values = elbo.value_log_likelihood(targets, outputs, likelihood)
    assert values.shape == targets.shape
    assert np.allclose(values.sum(axis=(1, 2, 3)), elbo.log_likelihood(targets, outputs, likelihood), rtol=1e-12)

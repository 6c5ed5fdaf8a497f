"""Scores against an independent computation, one image and one draw at a time."""

import math

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.elbo
from cvae_runtime._score import scores as _score


def log_normal(z, mean, variance):
    return float(np.sum(-0.5 * np.log(2.0 * math.pi * variance) - (z - mean) ** 2 / (2.0 * variance)))


def reference(tiny, images, samples, seed, first):
    """Compute, for each image, the mean of log p(x|z), the KL, and the logarithms of all importance weights."""
    rows = []
    for i, image in enumerate(images):
        mean, logvar = (side[0].astype(np.float64) for side in tiny.encode(image[np.newaxis]))
        target = (image >= tiny.binarize_at).ravel()
        log_ps, log_ws = [], []
        for t in range(samples):
            noise = cvae.posterior_noise(seed, (first + i) * samples + t, 1, 3)[0].astype(np.float64)
            z = mean + np.exp(logvar / 2.0) * noise
            p = np.clip(tiny.decode(z[np.newaxis]).ravel(), 1e-7, 1.0 - 1e-7)
            log_ps.append(math.fsum(np.where(target, np.log(p), np.log(1.0 - p))))
            log_ws.append(log_ps[-1] + log_normal(z, 0.0, np.ones(3)) - log_normal(z, mean, np.exp(logvar)))
        kl = 0.5 * math.fsum(np.exp(logvar) + mean**2 - 1.0 - logvar)
        rows.append((math.fsum(log_ps) / samples, kl, log_ws))
    return rows


@pytest.mark.parametrize(("samples", "seed", "first"), [(1, 0, 0), (1, 7, 100), (5, 0, 0), (3, (1 << 64) - 1, 1 << 40)])
def test_scores_equal_the_formulas(samples, seed, first, tiny_model, tiny):
    scores = tiny_model.score(tiny.images, samples=samples, seed=seed, first=first)
    rows = reference(tiny, tiny.images, samples, seed, first)
    reconstruction, kl = np.array([row[:2] for row in rows]).T
    bound = [np.logaddexp.reduce(row[2]) - math.log(samples) for row in rows]
    expected = {"reconstruction": reconstruction, "kl": kl, "elbo": reconstruction - kl, "iw_bound": bound}
    for name, values in expected.items():
        found = getattr(scores, name)
        assert (found.dtype, found.shape) == (np.float64, (11,))
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_defaults(tiny_model, tiny):
    scores, same = tiny_model.score(tiny.images), tiny_model.score(tiny.images, samples=1, seed=0, first=0)
    assert (scores.elbo == same.elbo).all()
    assert (scores.elbo == scores.reconstruction - scores.kl).all()


@pytest.mark.parametrize("samples", [2, 64])
def test_the_bound_is_at_least_the_mean_log_weight(samples, tiny_model, tiny):
    # Jensen's inequality: the logarithm of a mean is at least the mean of logarithms.
    log_weights = [row[2] for row in reference(tiny, tiny.images, samples, 0, 0)]
    bound = tiny_model.score(tiny.images, samples=samples).iw_bound
    assert (bound >= np.mean(log_weights, axis=1) - 1e-5).all()
    assert (bound <= np.max(log_weights, axis=1) + 1e-5).all()


def test_the_bound_grows_with_the_draws_from_the_elbo(tiny_model, tiny):
    scores = {samples: tiny_model.score(tiny.images, samples=samples) for samples in (1, 8, 256)}
    elbo = scores[256].elbo.mean()
    bounds = [scores[samples].iw_bound.mean() for samples in (8, 256)]
    assert elbo < bounds[0] < bounds[1]
    assert (scores[256].iw_bound > scores[256].elbo).all()


def test_the_kl_does_not_depend_on_the_draws(tiny_model, tiny):
    assert (tiny_model.score(tiny.images, samples=7).kl == tiny_model.score(tiny.images).kl).all()


@pytest.mark.parametrize("size", [1, 3, 10, 33, 1000])
def test_the_size_of_blocks_changes_nothing(size, tiny_model, tiny, monkeypatch):
    expected = tiny_model.score(tiny.images, samples=3, seed=2, first=4)
    monkeypatch.setattr(_score, "_DECODED_AT_A_TIME", size)
    found = tiny_model.score(tiny.images, samples=3, seed=2, first=4)
    for name in ("elbo", "reconstruction", "kl", "iw_bound"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0.0, atol=1e-9)


def test_scores_depend_on_the_index_only(tiny_model, tiny):
    whole = tiny_model.score(tiny.images, samples=3, seed=2)
    part = tiny_model.score(tiny.images[6:], samples=3, seed=2, first=6)
    np.testing.assert_allclose(part.iw_bound, whole.iw_bound[6:], atol=1e-5)
    elsewhere = tiny_model.score(tiny.images[6:], samples=3, seed=2, first=0)
    assert (np.abs(elsewhere.reconstruction - whole.reconstruction[6:]) > 1e-3).all()


def test_grey_pixels_of_a_model_that_does_not_binarize(bundles, tiny, tmp_path):
    path = bundles.write(tmp_path / "grey", preprocessing=cvae.bundle.Preprocessing(255, None))
    with cvae.load(path, provider="cpu") as model:
        found = model.score(tiny.images).reconstruction
        posterior = model.encode(tiny.images)
        z = cvae.elbo.reparameterize(posterior.mean, posterior.logvar, cvae.posterior_noise(0, 0, 11, 3))
        expected = cvae.elbo.bernoulli_log_likelihood(tiny.images / np.float32(255), model.decode(z))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("samples", [0, -1, 1.0, True, None])
def test_invalid_numbers_of_draws(samples, tiny_model, tiny, refuses):
    with refuses(cvae.InputError, f"samples must be a whole number of at least 1; found {samples!r}"):
        tiny_model.score(tiny.images, samples=samples)


@pytest.mark.parametrize("first", [-1, 0.5, None, "0"])
def test_invalid_first(first, tiny_model, tiny):
    with pytest.raises(cvae.InputError, match=rf"first .*must be .*found {first!r}"):
        tiny_model.score(tiny.images, samples=2, first=first)


def test_draws_beyond_the_end_of_the_stream(tiny_model, tiny):
    end = (1 << 63) // 2 // 4  # the number of images with 4 draws each
    assert tiny_model.score(tiny.images[:2], samples=4, first=end - 2).elbo.shape == (2,)
    with pytest.raises(cvae.InputError, match="must be at most"):
        tiny_model.score(tiny.images[:2], samples=4, first=end - 1)


def test_an_unknown_likelihood(bundles, tiny, tmp_path, refuses):
    path = bundles.write(tmp_path / "other", likelihood="mixture-of-logistics")
    message = (
        "the bundle's likelihood is 'mixture-of-logistics', and this version scores bernoulli, discretized-logistic, "
        "discretized-logistic-mixture; update cvae-toolkit"
    )
    with cvae.load(path, provider="cpu") as model:
        assert model.generate(2).shape == (2, 4, 4, 1)
        with refuses(cvae.InputError, message):
            model.score(tiny.images)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
def test_scores_of_256_levels(likelihood, samples, bundles, tiny, tmp_path):
    path = bundles.write(
        tmp_path / "logistic", likelihood=likelihood, preprocessing=cvae.bundle.Preprocessing(255, None)
    )
    with cvae.load(path, provider="cpu") as model:
        scores, posterior = model.score(tiny.images, samples=samples, seed=3), model.encode(tiny.images)
        mean, logvar = (side.repeat(samples, axis=0) for side in (posterior.mean, posterior.logvar))
        z = cvae.elbo.reparameterize(mean, logvar, cvae.posterior_noise(3, 0, 11 * samples, 3))
        np.testing.assert_allclose(model.decode(z), tiny.decode(z), atol=1e-6)
    targets = cvae.elbo.targets_of(tiny.images, None).repeat(samples, axis=0)
    if likelihood == "discretized-logistic":
        log_p = cvae.elbo.discretized_logistic_log_likelihood(targets, tiny.decode(z), tiny.log_scale(z))
    else:
        log_p = cvae.elbo.discretized_logistic_mixture_log_likelihood(targets, *tiny.mixture(z))
    log_p = log_p.reshape(11, samples)
    np.testing.assert_allclose(scores.reconstruction, log_p.mean(axis=1), rtol=1e-5)
    kl = cvae.elbo.gaussian_kl(posterior.mean, posterior.logvar)
    np.testing.assert_allclose(scores.elbo, log_p.mean(axis=1) - kl, rtol=1e-5)
    ratios = [log_normal(z[n], mean[n], np.exp(logvar[n])) - log_normal(z[n], 0.0, np.ones(3)) for n in range(len(z))]
    log_weights = log_p - np.reshape(ratios, (11, samples))
    bound = np.logaddexp.reduce(log_weights, axis=1) - math.log(samples)
    np.testing.assert_allclose(scores.iw_bound, bound, rtol=1e-5)


def test_scores_and_posteriors_say_what_they_hold(tiny_model, tiny):
    scores = tiny_model.score(tiny.images, samples=4)
    means = ", ".join(
        f"{name} {getattr(scores, name).mean():.1f}" for name in ("elbo", "reconstruction", "kl", "iw_bound")
    )
    assert repr(scores) == f"<Scores of 11 images by 4 draws: {means}; means in nats per image>"
    assert repr(tiny_model.score(tiny.images[:1])).startswith("<Scores of 1 image by 1 draw: elbo -")
    assert repr(scores.posterior) == "<Posterior of 11 images: mean and logvar, float32 (11, 3)>"


def test_a_posterior_unpacks(tiny_model, tiny):
    posterior = tiny_model.encode(tiny.images)
    mean, logvar = posterior
    assert mean is posterior.mean
    assert logvar is posterior.logvar

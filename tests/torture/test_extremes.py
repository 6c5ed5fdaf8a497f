"""Extreme numbers give a defined result or an error of this project."""

import functools
import warnings

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.elbo
import cvae_runtime.images
from scripts.torture.numbers import LIMIT, NOT_FINITE, NUMBERS


@pytest.fixture(scope="module")
def model():
    with cvae.load(provider="cpu") as model:
        yield model


def is_rejected(call):
    """Whether a call raises an error of this project; otherwise it must return finite images in [0, 1]."""
    try:
        images = call()
    except cvae.CvaeError:
        return True
    assert np.isfinite(images).all()
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    return False


@pytest.mark.parametrize("number", [*NUMBERS, *NOT_FINITE])
def test_latents_and_temperatures(number, model):
    zero = np.zeros(model.latent_dim, np.float32)
    rejected = []
    for others in (number, 0.5):
        z = np.full((3, model.latent_dim), others, np.float32)
        z[1, 0] = number
        rejected.append(is_rejected(lambda z=z: model.decode(z)))
        for method in ("linear", "spherical"):
            for start, end in ((zero, z[1]), (z[1], -z[1])):
                call = functools.partial(model.interpolate, start, end, steps=3, method=method)
                rejected.append(is_rejected(call))
    # Finite latents, too, are rejected if the decoder's results do not fit float32.
    if not abs(number) < LIMIT:
        assert all(rejected)
    if not 0 <= number <= 1e30:
        assert is_rejected(lambda: model.generate(3, temperature=number))
    if abs(number) <= 1.0:
        assert not any(rejected)


@pytest.mark.parametrize("seed", [0, 2**64 - 1, -1, 2**64, 1.5, np.nan])
def test_seeds(seed, model):
    assert is_rejected(lambda: model.generate(2, seed=seed)) is (seed not in (0, 2**64 - 1))


@pytest.mark.parametrize("first", [2**50, 2**63, 10**30])
def test_indices(first, model):
    assert is_rejected(lambda: model.generate(2, first=first)) is (first >= 2**57)


@pytest.mark.parametrize("name", ["black", "white", "stripes"])
def test_plain_images(name, model):
    batch = np.full((2, *model.image_shape), 255 * (name == "white"), np.uint8)
    if name == "stripes":
        batch[:, ::2] = 255
    scores = vars(model.score(batch, samples=3))
    assert all(np.isfinite(values).all() for name, values in scores.items() if name != "posterior")
    assert not is_rejected(lambda: model.reconstruct(batch))
    assert not is_rejected(lambda: model.reconstruct(batch, sample=True))


@pytest.mark.parametrize("logvar", [-1e30, -200.0, -90.0, 0.0, 80.0, 170.0])
def test_kl_is_not_negative(logvar, model):
    mean = np.zeros((2, model.latent_dim), np.float32)
    assert (cvae.elbo.gaussian_kl(mean, np.full_like(mean, logvar)) >= 0).all()


@pytest.mark.parametrize("number", [*NOT_FINITE, -1e-9, 1.0 + 1e-6, 1e30])
def test_pixels_outside_0_and_1_are_rejected(number):
    assert is_rejected(lambda: cvae.images.as_images(np.full((1, 28, 28, 1), number), "it"))


def test_denormal_pixels():
    with warnings.catch_warnings(action="error"):
        assert cvae.images.as_images(np.full((1, 28, 28, 1), 1e-310), "it").shape == (1, 28, 28, 1)

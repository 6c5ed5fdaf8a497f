"""`Model` against NumPy, and its errors for invalid arguments."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import cvae_runtime as cvae
from cvae_runtime import _check


def test_attributes(tiny_model, bundles):
    assert tiny_model.manifest == bundles.manifest()
    assert (tiny_model.image_shape, tiny_model.latent_dim, tiny_model.provider) == ((4, 4, 1), 3, "cpu")


def test_encode(tiny_model, tiny):
    posterior = tiny_model.encode(tiny.images)
    for found, expected in zip((posterior.mean, posterior.logvar), tiny.encode(tiny.images), strict=True):
        assert (found.dtype, found.shape) == (np.float32, (11, 3))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_channel_axis_is_optional_for_grey_images(tiny_model, tiny):
    with_axis, without = tiny_model.encode(tiny.images), tiny_model.encode(tiny.images[..., 0])
    assert (with_axis.mean == without.mean).all()
    assert (with_axis.logvar == without.logvar).all()


@pytest.fixture(scope="module")
def one_image(tiny, tmp_path_factory):
    """Image 0 of `tiny` in each form that a model takes."""
    pixels, path = tiny.images[0], tmp_path_factory.mktemp("one") / "one.png"
    picture = Image.fromarray(pixels[..., 0])
    picture.save(path)
    return {"array": pixels, "grey": pixels[..., 0], "picture": picture, "text": str(path), "path": path}


@pytest.mark.parametrize("form", ["array", "grey", "picture", "text", "path"])
def test_one_image_in_any_form(form, one_image, tiny_model, tiny):
    image, expected = one_image[form], tiny.images[:1]
    assert tiny_model.encode(image).mean.shape == (1, 3)
    for images in (image, [image]):
        assert (tiny_model.encode(images).mean == tiny_model.encode(expected).mean).all()
        assert (tiny_model.reconstruct(images) == tiny_model.reconstruct(expected)).all()
        assert (tiny_model.score(images).elbo == tiny_model.score(expected).elbo).all()
    other = tiny.images[1]
    way = tiny_model.interpolate(image, other, steps=3)
    assert (way == tiny_model.interpolate(expected[0], other, steps=3)).all()
    assert (tiny_model.traverse(image) == tiny_model.traverse(expected[0])).all()
    assert tiny_model.rank_dimensions(image) == tiny_model.rank_dimensions(expected[0])


def test_a_list_of_all_forms(one_image, tiny_model, tiny):
    found = tiny_model.encode([*one_image.values(), tiny.images[1:3]])
    expected = tiny_model.encode(tiny.images[[0] * 5 + [1, 2]])
    assert (found.mean == expected.mean).all()
    assert tiny_model.encode((*one_image.values(),)).mean.shape == (5, 3)


def test_a_path_of_many_images_is_no_end(tiny_model, tiny, tmp_path, refuses):
    path = tmp_path / "many.npy"
    np.save(path, tiny.images)
    assert (tiny_model.encode(path).mean == tiny_model.encode(tiny.images).mean).all()
    with refuses(cvae.InputError, "start must be one image; found 11"):
        tiny_model.traverse(path)


def test_decode(tiny_model, tiny):
    z = cvae.prior_latents(1, 0, 21, 3)
    images = tiny_model.decode(z)
    assert (images.dtype, images.shape) == (np.float32, (21, 4, 4, 1))
    np.testing.assert_allclose(images, tiny.decode(z), atol=1e-6)


def test_arrays_in_any_memory_order(tiny_model, tiny):
    z = cvae.prior_latents(1, 0, 20, 3)
    for other in (np.asfortranarray(z), np.repeat(z, 2, axis=0)[::2], z[::-1][::-1]):
        assert (tiny_model.decode(other) == tiny_model.decode(z)).all()
    assert (tiny_model.encode(np.asfortranarray(tiny.images)).mean == tiny_model.encode(tiny.images).mean).all()


@settings(max_examples=25)
@given(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40), st.integers(1, 40), st.floats(0.0, 4.0))
def test_generate(tiny_model, seed, first, count, temperature):
    images = tiny_model.generate(count, seed=seed, first=first, temperature=temperature)
    expected = tiny_model.decode(cvae.prior_latents(seed, first, count, 3) * np.float32(temperature))
    assert (images == expected).all()


def test_defaults_of_generate(tiny_model):
    assert (tiny_model.generate(9) == tiny_model.decode(cvae.prior_latents(0, 0, 9, 3))).all()


@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
def test_only_score_fetches_all_outputs(likelihood, bundles, tiny, tmp_path):
    path = bundles.write(tmp_path / "logistic", likelihood=likelihood)
    with cvae.load(path, provider="cpu", threads=1) as model:
        decoder, fetched = model._decoder._session.session, []

        def run(names, inputs):
            fetched.append(tuple(names))
            return decoder.run(names, inputs)

        model._decoder._session.session = SimpleNamespace(run=run)
        model.generate(3)
        model.reconstruct(tiny.images[:3])
        model.interpolate(tiny.images[0], tiny.images[1], steps=3)
        assert set(fetched) == {("probs",)}
        fetched.clear()
        model.score(tiny.images[:3])
        assert set(fetched) == {model.manifest.model.decoder_outputs}


def test_memory_for_all_outputs_of_score(bundles, tiny, tmp_path, monkeypatch, refuses):
    path = bundles.write(tmp_path / "mixture", likelihood="discretized-logistic-mixture")
    monkeypatch.setattr("cvae_runtime._check.physical_memory", lambda: 4 * 16 * 7 * 100)  # 1 + 3 * 2 numbers per pixel
    with cvae.load(path, provider="cpu") as model:
        assert model.score(tiny.images[:1], samples=100).elbo.shape == (1,)
        message = (
            "101 images take 0.0 GiB, and this machine has 0.0 GiB; make them in parts, with first= and a smaller count"
        )
        with refuses(cvae.InputError, message):
            model.score(tiny.images[:1], samples=101)


def test_reconstruct_decodes_the_mean(tiny_model, tiny):
    images = tiny_model.reconstruct(tiny.images)
    assert (images == tiny_model.decode(tiny_model.encode(tiny.images).mean)).all()
    np.testing.assert_allclose(images, tiny.decode(tiny.encode(tiny.images)[0]), atol=1e-6)


def test_reconstruct_decodes_a_draw(tiny_model, tiny):
    mean, logvar = tiny.encode(tiny.images)
    noise = np.concatenate([cvae.posterior_noise(9, 5 + n, 1, 3) for n in range(11)])
    expected = tiny.decode(mean + np.exp(logvar / 2.0) * noise)
    found = tiny_model.reconstruct(tiny.images, sample=True, seed=9, first=5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Image 5 of one call is image 0 of a call with first=5.
    part = tiny_model.reconstruct(tiny.images[5:], sample=True, seed=9, first=10)
    np.testing.assert_allclose(found[5:], part, atol=1e-6)


@pytest.mark.parametrize("size", [8, 100])
def test_numpy_integers(size, tiny_model):
    expected = tiny_model.generate(size, seed=3, first=5, temperature=0.5)
    for kind in (np.uint8, np.int64):
        found = tiny_model.generate(kind(size), seed=kind(3), first=kind(5), temperature=np.float32(0.5))
        assert (found == expected).all()


def test_small_numpy_integers_do_not_overflow(tiny_model):
    assert (tiny_model.generate(300, first=np.uint8(5)) == tiny_model.generate(300, first=5)).all()


IMAGES, OTHERS = "uint8 of shape (N, 4, 4, 1)", "a PIL image, a path, or a list of images"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[0]], f"images[0] must be a NumPy array, {IMAGES}, {OTHERS}; found list"),
        (None, f"images must be a NumPy array, {IMAGES}, {OTHERS}; found NoneType"),
        ([], "images must hold at least one image; found none"),
        (
            [np.zeros((4, 4), np.uint8), np.zeros((4, 4))],
            f"images[1] must be {IMAGES}, raw pixels 0 to 255; found float64",
        ),
        (np.zeros((2, 4, 4, 1), np.float32), f"images must be {IMAGES}, raw pixels 0 to 255; found float32"),
        (np.zeros((2, 4, 4, 3), np.uint8), f"images must be {IMAGES}; found shape (2, 4, 4, 3)"),
        (np.zeros((2, 4, 5), np.uint8), f"images must be {IMAGES}; found shape (2, 4, 5)"),
        (np.zeros((5, 4), np.uint8), f"images must be {IMAGES}; found shape (5, 4)"),
        (np.array(3, np.uint8), f"images must be {IMAGES}; found shape ()"),
        (np.zeros((0, 4, 4, 1), np.uint8), "images must hold at least one image; found none"),
    ],
)
def test_invalid_images(images, message, tiny_model, refuses):
    calls = [
        tiny_model.encode,
        tiny_model.reconstruct,
        tiny_model.score,
        lambda images: tiny_model.reconstruct(images, sample=True),
    ]
    for call in calls:
        with refuses(cvae.InputError, message):
            call(images)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        ([[0.0] * 3], "latents must be a NumPy array, float32 of shape (N, 3); found list"),
        (
            np.zeros((2, 3)),
            "latents must be float32 of shape (N, 3); found float64: use z.astype(numpy.float32)",
        ),
        (np.zeros((2, 4), np.float32), "latents must be float32 of shape (N, 3); found shape (2, 4)"),
        (np.zeros(3, np.float32), "latents must be float32 of shape (N, 3); found shape (3,)"),
        (np.zeros((0, 3), np.float32), "latents must hold at least one latent; found none"),
        (np.float32([[0, np.nan, 0]]), "latents must be finite; found NaN or infinity"),
        (np.float32([[0, np.inf, 0]]), "latents must be finite; found NaN or infinity"),
    ],
)
def test_invalid_latents(z, message, tiny_model, refuses):
    with refuses(cvae.InputError, message):
        tiny_model.decode(z)


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "3", None])
def test_invalid_counts(count, tiny_model, refuses):
    with refuses(cvae.InputError, f"count must be a whole number of at least 1; found {count!r}"):
        tiny_model.generate(count)


@pytest.mark.parametrize("count", [1 << 25, np.int64(1 << 25), 1 << 61, np.int64(1 << 61)])
def test_more_images_than_memory_holds(count, tiny_model, monkeypatch, refuses):
    monkeypatch.setattr(_check, "physical_memory", lambda: 1 << 30)
    message = (
        f"{int(count):,} images take {int(count) * 64 / 2**30:,.1f} GiB, and this machine has 1.0 GiB; "
        f"make them in parts, with first= and a smaller count"
    )
    with refuses(cvae.InputError, message):
        tiny_model.generate(count)


@pytest.mark.parametrize(
    "temperature",
    # 1e39 is infinite as a float32, and 10^400 as any float.
    [-0.1, float("nan"), float("inf"), 1e39, pytest.param(10**400, id="10^400"), True, "1", None],
)
def test_invalid_temperatures(temperature, tiny_model, refuses):
    message = f"temperature must be a finite number of at least 0; found {temperature!r}"
    with refuses(cvae.InputError, message):
        tiny_model.generate(1, temperature=temperature)


@pytest.mark.parametrize("seed", [-1, 1 << 64, 0.5])
def test_invalid_seeds(seed, tiny_model, tiny, refuses):
    message = f"seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found {seed!r}"
    calls = [
        lambda: tiny_model.generate(1, seed=seed),
        lambda: tiny_model.reconstruct(tiny.images, sample=True, seed=seed),
        lambda: tiny_model.score(tiny.images, seed=seed),
    ]
    for call in calls:
        with refuses(cvae.InputError, message):
            call()


def test_the_end_of_the_prior_s_stream(tiny_model, refuses):
    end = (1 << 63) // 2
    assert tiny_model.generate(2, first=end - 2).shape == (2, 4, 4, 1)
    message = f"first + count must be at most {end} for latents of 3; found {end - 1} + 2"
    with refuses(cvae.InputError, message):
        tiny_model.generate(2, first=end - 1)

"""Interpolation, traversals, manifolds, and the ranking of dimensions."""

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._math.traverse import traversal_latents

START = np.float32([0.5, -1.0, 2.0])
TAIL = 1.6448536  # the normal distribution's quantile of 95%


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_interpolate_decodes_the_latents(method, tiny_model):
    a, b = cvae.prior_latents(4, 0, 2, 3)
    images = tiny_model.interpolate(a, b, steps=5, method=method)
    assert (images.dtype, images.shape) == (np.float32, (5, 4, 4, 1))
    np.testing.assert_allclose(images[[0, -1]], tiny_model.decode(np.stack([a, b])), atol=1e-6)
    if method == "linear":
        np.testing.assert_allclose(images[2], tiny_model.decode((a + b)[np.newaxis] / 2)[0], atol=1e-6)


def test_interpolate_encodes_images_to_their_means(tiny_model, tiny):
    a, b = tiny.images[:2]
    means = tiny_model.encode(tiny.images[:2]).mean
    expected = tiny_model.interpolate(means[0], means[1])
    assert len(expected) == 8
    np.testing.assert_allclose(tiny_model.interpolate(a, b[..., 0]), expected, atol=1e-6)
    np.testing.assert_allclose(tiny_model.interpolate(means[0], b), expected, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 0, 2.0, True])
def test_interpolation_needs_two_steps(steps, tiny_model, refuses):
    a = np.zeros(3, np.float32)
    with refuses(cvae.InputError, f"steps must be a whole number of at least 2; found {steps!r}"):
        tiny_model.interpolate(a, a, steps=steps)


@pytest.mark.parametrize(
    ("end", "expected", "found"),
    [
        (np.zeros((1, 3), np.float32), r"\(3,\)", r"shape \(1, 3\)"),
        (np.zeros(4, np.float32), r"\(3,\)", r"shape \(4,\)"),
        (np.zeros((5, 4), np.uint8), r"\(4, 4, 1\)", r"shape \(5, 4\)"),
        (np.zeros(3), "float32", "float64"),
    ],
)
def test_invalid_ends(end, expected, found, tiny_model):
    with pytest.raises(cvae.InputError, match=f"{expected}.*found {found}"):
        tiny_model.interpolate(end, end)


def test_traverse_decodes_the_latents(tiny_model):
    images = tiny_model.traverse(START, [2, 0], steps=5, span=1.5)
    assert (images.dtype, images.shape) == (np.float32, (2, 5, 4, 4, 1))
    middle = tiny_model.decode(START[np.newaxis])[0]
    np.testing.assert_allclose(images[:, 2], np.stack([middle, middle]), atol=1e-6)
    ends = np.float32([[0.5, -1.0, 0.5], [0.5, -1.0, 3.5], [-1.0, -1.0, 2.0], [2.0, -1.0, 2.0]])
    np.testing.assert_allclose(images[:, [0, -1]].reshape(4, 4, 4, 1), tiny_model.decode(ends), atol=1e-6)


def test_traverse_ranks_the_dimensions_of_an_image(tiny_model, tiny):
    image = tiny.images[0]
    mean, logvar = (values[0] for values in tiny.encode(image[np.newaxis]))
    ranked = sorted(range(3), key=lambda dimension: logvar[dimension])
    assert tiny_model.rank_dimensions(image) == ranked
    images = tiny_model.traverse(image[..., 0])
    assert images.shape == (3, 7, 4, 4, 1)
    expected = traversal_latents(mean, ranked, 7, 3.0).reshape(-1, 3)
    np.testing.assert_allclose(images.reshape(-1, 4, 4, 1), tiny.decode(expected), atol=1e-5)


def test_the_ranking_of_a_latent_is_that_of_its_image(tiny_model):
    latents = cvae.prior_latents(1, 0, 12, 3)
    rankings = [tiny_model.rank_dimensions(latent) for latent in latents]
    assert rankings == [tiny_model.rank_dimensions(picture) for picture in cvae.to_uint8(tiny_model.decode(latents))]
    assert len(set(map(tuple, rankings))) > 1


def test_the_default_is_at_most_ten_dimensions(notebook_model):
    latent = cvae.prior_latents(0, 0, 1, 50)[0]
    images = notebook_model.traverse(latent, steps=3)
    assert images.shape == (10, 3, 28, 28, 1)
    # Traversing an unused dimension changes pixels little, and much less than traversing the first.
    unused = notebook_model.traverse(latent, notebook_model.rank_dimensions(latent)[-10:], steps=3)
    assert np.ptp(unused, axis=1).max() < 0.2 < np.ptp(images, axis=1).max(axis=(1, 2, 3)).min()


def test_manifold_s_corners_are_decoded_quantiles(tiny_model):
    images = tiny_model.manifold([2, 0], steps=5)
    assert (images.dtype, images.shape) == (np.float32, (5, 5, 4, 4, 1))
    corners = np.float32([[-TAIL, 0, -TAIL], [TAIL, 0, -TAIL], [-TAIL, 0, TAIL], [TAIL, 0, TAIL]])
    found = images[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(found, tiny_model.decode(corners), atol=1e-6)
    np.testing.assert_allclose(images[2, 2], tiny_model.decode(np.zeros((1, 3), np.float32))[0], atol=1e-6)


def test_manifold_uses_the_first_two_ranked_dimensions(tiny_model):
    chosen = sorted(tiny_model.rank_dimensions(np.zeros(3, np.float32))[:2])
    images = tiny_model.manifold()
    assert images.shape == (20, 20, 4, 4, 1)
    np.testing.assert_array_equal(images, tiny_model.manifold(chosen, steps=20))


@pytest.mark.parametrize("dimensions", [[3], [-1], [0, 0], [], [1.0], [True], 1, "01", np.array([0.0])])
def test_invalid_dimensions(dimensions, tiny_model, refuses):
    message = f"dimensions must be distinct whole numbers from 0 to 2; found {dimensions!r}"
    for explore in (lambda: tiny_model.traverse(START, dimensions), lambda: tiny_model.manifold(dimensions)):
        with refuses(cvae.InputError, message):
            explore()


@pytest.mark.parametrize("span", [0.0, -1, float("nan"), float("inf"), 1e39, True, "3", None])
def test_invalid_spans(span, tiny_model, refuses):
    with refuses(cvae.InputError, f"span must be a finite number above 0; found {span!r}"):
        tiny_model.traverse(START, span=span)


def test_a_traversal_beyond_float32(tiny_model, refuses):
    start = np.full(3, 3e38, np.float32)
    with refuses(cvae.InputError, "latents must be finite; found NaN or infinity"):
        tiny_model.traverse(start, [0], span=3e38)


@pytest.mark.parametrize("steps", [1, 2.0, None])
def test_traversals_and_manifolds_need_two_steps(steps, tiny_model, refuses):
    message = f"steps must be a whole number of at least 2; found {steps!r}"
    for explore in (lambda: tiny_model.traverse(START, steps=steps), lambda: tiny_model.manifold(steps=steps)):
        with refuses(cvae.InputError, message):
            explore()


@pytest.mark.parametrize("dimensions", [[0], [0, 1, 2]])
def test_a_manifold_needs_two_dimensions(dimensions, tiny_model, refuses):
    with refuses(cvae.InputError, f"a manifold needs exactly 2 latent dimensions; found {len(dimensions)}"):
        tiny_model.manifold(dimensions, steps=3)


def test_memory_is_checked_first(tiny_model):
    for explore in (lambda: tiny_model.traverse(START, steps=10**12), lambda: tiny_model.manifold(steps=10**6)):
        with pytest.raises(cvae.InputError, match="images take .* GiB, and this machine has"):
            explore()


@pytest.mark.parametrize(
    ("start", "found"), [(np.zeros((1, 3), np.float32), "shape (1, 3)"), ([0.0, 1.0, 2.0], "list")]
)
def test_invalid_starts(start, found, tiny_model, refuses):
    message = f"start must be a latent, float32 (3,), or an image, uint8 (4, 4, 1); found {found}"
    for explore in (tiny_model.traverse, tiny_model.rank_dimensions):
        with refuses(cvae.InputError, message):
            explore(start)

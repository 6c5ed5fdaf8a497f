"""Interpolation between latents: ends, middles and lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cvae_runtime as cvae
from cvae_runtime._math.interpolate import interpolate_latents

METHODS = st.sampled_from(["linear", "spherical"])
LATENTS = arrays(np.float32, 3, elements=st.floats(-100.0, 100.0, width=32, allow_subnormal=False))


@given(LATENTS, LATENTS, st.integers(2, 9), METHODS)
def test_ends(a, b, steps, method):
    way = interpolate_latents(a, b, steps, method)
    assert (way.dtype, way.shape) == (np.float32, (steps, 3))
    np.testing.assert_array_equal(way[[0, -1]], [a, b])
    assert np.isfinite(way).all()


@given(LATENTS, LATENTS, st.integers(2, 9), METHODS)
def test_reversed_ends_reverse_the_latents(a, b, steps, method):
    there, back = interpolate_latents(a, b, steps, method), interpolate_latents(b, a, steps, method)
    np.testing.assert_allclose(there, back[::-1], rtol=1e-5, atol=1e-4)


def test_linear_steps_are_even():
    way = interpolate_latents(np.float32([0, 4, -1]), np.float32([4, 0, -1]), 5, "linear")
    assert way.tolist() == [[0, 4, -1], [1, 3, -1], [2, 2, -1], [3, 1, -1], [4, 0, -1]]


@pytest.mark.parametrize("degrees", [1, 30, 90, 150, 179])
def test_spherical_steps_have_even_angles_and_equal_lengths(degrees):
    def point(angle):
        return np.float32([3.0 * np.cos(np.radians(angle)), 3.0 * np.sin(np.radians(angle)), 0.0])

    way = interpolate_latents(point(0), point(degrees), 4, "spherical")
    expected = [point(step * degrees / 3) for step in range(4)]
    np.testing.assert_allclose(way, expected, atol=2e-5)


def test_spherical_lengths_are_between_those_of_the_ends():
    latents = cvae.prior_latents(3, 0, 2, 50)
    lengths = np.linalg.norm(interpolate_latents(*latents, 9, "spherical"), axis=1)
    shortest, longest = sorted(np.linalg.norm(latents, axis=1))
    # Latents of the prior are nearly orthogonal: the middle of a straight line would have 70% of their length.
    assert lengths.min() > 0.95 * shortest
    assert lengths.max() < 1.05 * longest
    assert np.linalg.norm(interpolate_latents(*latents, 9, "linear"), axis=1).min() < 0.8 * shortest


@pytest.mark.parametrize(
    ("a", "b"),
    [([1, 2, 3], [1, 2, 3]), ([1, 2, 3], [2, 4, 6]), ([1, 0, 0], [-1, 0, 0]), ([0, 0, 0], [1, 2, 3])],
    ids=["same", "parallel", "opposite", "from-zero"],
)
def test_spherical_is_linear_at_undefined_angles(a, b):
    a, b = np.float32(a), np.float32(b)
    np.testing.assert_array_equal(interpolate_latents(a, b, 5, "spherical"), interpolate_latents(a, b, 5, "linear"))


@pytest.mark.parametrize("method", ["slerp", "", None])
def test_an_unknown_method(method, refuses):
    a = np.zeros(3, np.float32)
    with refuses(cvae.InputError, f"method must be one of linear, spherical; found {method!r}"):
        interpolate_latents(a, a, 3, method)

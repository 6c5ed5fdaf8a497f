"""Latents of traversals and manifolds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvae_runtime._math.traverse import manifold_latents, traversal_latents

START = np.float32([0.5, -1.0, 2.0])
TAIL = 1.6448536  # the normal distribution's quantile of 95%


def test_a_traversal_varies_one_dimension_at_a_time():
    assert traversal_latents(START, [2, 0], 3, 1.5).tolist() == [
        [[0.5, -1.0, 0.5], [0.5, -1.0, 2.0], [0.5, -1.0, 3.5]],
        [[-1.0, -1.0, 2.0], [0.5, -1.0, 2.0], [2.0, -1.0, 2.0]],
    ]


@given(
    arrays(np.float32, 3, elements=st.floats(-100.0, 100.0, width=32)),
    st.integers(1, 10),
    st.floats(0.001, 100.0),
)
def test_the_middle_of_a_traversal_is_the_start(start, half, span):
    latents = traversal_latents(start, [1], 2 * half + 1, span)[0]
    np.testing.assert_array_equal(latents[half], start)
    ends = start[1].astype(np.float64) + np.array([-span, span])
    np.testing.assert_array_equal(latents[[0, -1], 1], ends.astype(np.float32))
    np.testing.assert_allclose(np.diff(latents[:, 1]), span / half, atol=2e-5)


def test_a_manifold_is_a_grid_of_quantiles():
    latents = manifold_latents(3, [2, 0], 3)
    assert (latents.dtype, latents.shape) == (np.float32, (3, 3, 3))
    quantiles = np.float32([-TAIL, 0.0, TAIL])
    np.testing.assert_allclose(latents[..., 2], np.tile(quantiles[:, np.newaxis], 3), atol=1e-7)
    np.testing.assert_allclose(latents[..., 0], np.tile(quantiles, (3, 1)), atol=1e-7)
    assert (latents[..., 1] == 0.0).all()
    # 5%, 27.5%, … 95%: steps of equal probability, not of equal length.
    expected = [-TAIL, -0.5977601, 0.0, 0.5977601, TAIL]
    np.testing.assert_allclose(manifold_latents(2, [0, 1], 5)[:, 0, 0], expected, atol=1e-7)

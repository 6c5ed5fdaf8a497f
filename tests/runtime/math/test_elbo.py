"""The parts of the ELBO against their formulas."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cvae_runtime as cvae
import cvae_runtime.elbo
from cvae_runtime._math.elbo import gaussian_log_density

VALUES = st.floats(-8.0, 8.0, width=32)
LATENTS = arrays(np.float32, (2, 3), elements=VALUES)


def test_bernoulli_sums_over_pixels():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (3, 4, 5, 1)).astype(np.float32)
    probs = rng.uniform(0.01, 0.99, (3, 4, 5, 1)).astype(np.float32)
    found = cvae.elbo.bernoulli_log_likelihood(targets, probs)
    pairs = [zip(x.ravel().tolist(), p.ravel().tolist(), strict=True) for x, p in zip(targets, probs, strict=True)]
    expected = [math.fsum(math.log(p) if x else math.log1p(-p) for x, p in image) for image in pairs]
    assert (found.dtype, found.shape) == (np.float64, (3,))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_grey_targets_give_the_cross_entropy():
    found = cvae.elbo.bernoulli_log_likelihood(
        np.full((1, 1, 1, 1), 0.25, np.float32), np.full((1, 1, 1, 1), 0.5, np.float32)
    )
    assert found.tolist() == [math.log(0.5)]


@pytest.mark.parametrize(("target", "prob"), [(1.0, 0.0), (0.0, 1.0)])
def test_the_probability_floor(target, prob):
    shape = (1, 1, 2, 1)
    found = cvae.elbo.bernoulli_log_likelihood(np.full(shape, target, np.float32), np.full(shape, prob, np.float32))
    np.testing.assert_allclose(found, [2.0 * math.log(1e-7)], rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_certain_and_correct_is_nearly_0(value):
    shape = (1, 1, 1, 1)
    found = cvae.elbo.bernoulli_log_likelihood(np.full(shape, value, np.float32), np.full(shape, value, np.float32))
    np.testing.assert_allclose(found, [math.log1p(-1e-7)], rtol=1e-9)


def levels(count=256):
    """Return an image of one pixel for each level: v/255, float32 (256, 1, 1, 1)."""
    return cvae.elbo.targets_of(np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1), None)


def of_all_levels(location, log_scale):
    fill = [np.full((256, 1, 1, 1), value, np.float32) for value in (location, log_scale)]
    return cvae.elbo.discretized_logistic_log_likelihood(levels(), *fill)


@pytest.mark.parametrize("log_scale", [-7.693, -5.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("location", [0.0, 1e-7, 0.3, 0.5019608, 0.998, 1.0])
def test_probabilities_of_levels_sum_to_1(location, log_scale):
    found = of_all_levels(location, log_scale)
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, abs=1e-12)
    assert (found <= 0.0).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("location", "log_scale"), [(0.4, -3.0), (0.71, -2.0), (0.02, -1.0), (0.5, 0.5)])
def test_levels_have_the_probability_of_their_interval(location, log_scale):
    m, s = float(np.float32(location)), math.exp(np.float32(log_scale))

    def below(edge):
        return 1.0 / (1.0 + math.exp(-(edge - m) / s))

    edges = [0.0, *(below((v + 0.5) / 255) for v in range(255)), 1.0]  # the end levels include the tails
    expected = [math.log(high - low) for low, high in itertools.pairwise(edges)]
    np.testing.assert_allclose(of_all_levels(location, log_scale), expected, rtol=1e-9)


def test_distant_levels_do_not_underflow():
    # A tail falls by 1 nat per scale beyond the interval's nearer edge, at 1/510; the interval holds nearly all of it.
    found = of_all_levels(0.0, -7.0)[200]
    assert found == pytest.approx(-(200 - 0.5) / 255 * math.exp(7.0) + math.log1p(-math.exp(-math.exp(7.0) / 255)))


def test_sums_over_pixels_and_channels():
    rng = np.random.default_rng(0)
    targets = cvae.elbo.targets_of(rng.integers(0, 256, (3, 4, 5, 3), np.uint8), None)
    probs = rng.random((3, 4, 5, 3), np.float32)
    log_scale = rng.uniform(-6.0, 0.0, (3, 4, 5, 3)).astype(np.float32)
    found = cvae.elbo.discretized_logistic_log_likelihood(targets, probs, log_scale)
    singly = cvae.elbo.discretized_logistic_log_likelihood(
        *(x.reshape(-1, 1, 1, 1) for x in (targets, probs, log_scale))
    )
    assert (found.dtype, found.shape) == (np.float64, (3,))
    np.testing.assert_allclose(found, [math.fsum(part) for part in singly.reshape(3, -1)], rtol=1e-13)


COMPONENTS = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        *[
            st.lists(st.floats(*ends, width=32), min_size=count, max_size=count)
            for ends in ((-3.0, 4.0), (-7.6875, 2.0), (-9.0, 9.0))
        ]
    )
)


def of_all_levels_mixed(components):
    """Return log p of every level of a pixel for a mixture with these locations, log-scales and logits."""
    tiled = [np.tile(np.float32(numbers), (256, 1, 1, 1, 1)) for numbers in components]
    return cvae.elbo.discretized_logistic_mixture_log_likelihood(levels(), *tiled)


@given(COMPONENTS)
def test_a_mixture_is_the_weighted_sum(components):
    def below(edge, m, log_s):
        x = (edge - m) / math.exp(log_s)
        return 1.0 / (1.0 + math.exp(-x)) if x > 0 else math.exp(x) / (1.0 + math.exp(x))

    edges = [-math.inf, *((v + 0.5) / 255 for v in range(255)), math.inf]
    total = math.fsum(math.exp(logit) for logit in components[2])
    expected = [
        math.fsum(
            math.exp(logit) / total * (below(high, m, log_s) - below(low, m, log_s))
            for m, log_s, logit in zip(*components, strict=True)
        )
        if math.isfinite(low) and math.isfinite(high)
        else math.fsum(
            math.exp(logit) / total * (below(high, m, log_s) if math.isfinite(high) else below(-low, -m, log_s))
            for m, log_s, logit in zip(*components, strict=True)
        )
        for low, high in itertools.pairwise(edges)
    ]
    found = of_all_levels_mixed(components)
    assert (found.dtype, found.shape) == (np.float64, (256,))
    assert np.isfinite(found).all()
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-6, atol=1e-13)  # differences cancel in the reference


@given(st.floats(-3.0, 4.0, width=32), st.floats(-7.6875, 2.0, width=32), st.integers(1, 5))
def test_a_mixture_of_equal_components(location, log_scale, count):
    found = of_all_levels_mixed([[location] * count, [log_scale] * count, [float(n) for n in range(count)]])
    np.testing.assert_allclose(found, of_all_levels(location, log_scale), rtol=1e-9, atol=1e-12)


def test_a_mixture_of_black_and_white():
    found = of_all_levels_mixed([[-1.0, 2.0], [-7.0, -7.0], [math.log(0.9), math.log(0.1)]])
    np.testing.assert_allclose(np.exp(found[[0, 255]]), [0.9, 0.1], rtol=1e-6)


@pytest.mark.parametrize("location", [-3e38, -1e9, 1e9, 3e38])
def test_a_distant_component_of_a_mixture(location):
    found = of_all_levels_mixed([[location, 0.5], [-7.69, -2.0], [0.0, 0.0]])
    inner = slice(1, 255)
    np.testing.assert_allclose(found[inner], of_all_levels(0.5, -2.0)[inner] - math.log(2.0), rtol=1e-9)
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, abs=1e-9)


def test_an_unknown_likelihood():
    with pytest.raises(cvae.InputError) as caught:
        cvae.elbo.log_likelihood(levels(), {}, "gaussian")
    assert str(caught.value) == (
        "likelihood must be one of bernoulli, discretized-logistic, discretized-logistic-mixture; found 'gaussian'"
    )


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized-logistic", "discretized-logistic-mixture"])
def test_log_likelihood_for_any_number_of_images(likelihood):
    rng = np.random.default_rng(0)
    targets, probs = rng.random((2, 300, 2, 2, 1), np.float32)
    outputs = {"probs": probs, "log_scale": probs - 3}
    if likelihood == "discretized-logistic-mixture":
        outputs = {name: rng.normal(0, 1, (300, 2, 2, 1, 3)) for name in ("location", "log_scale", "mixture_logits")}
    found = cvae.elbo.log_likelihood(targets, outputs, likelihood)
    if likelihood == "bernoulli":
        expected = cvae.elbo.bernoulli_log_likelihood(targets, probs)
    elif likelihood == "discretized-logistic-mixture":
        expected = cvae.elbo.discretized_logistic_mixture_log_likelihood(targets, **outputs)
    else:
        expected = cvae.elbo.discretized_logistic_log_likelihood(targets, **outputs)
    np.testing.assert_array_equal(found, expected)


@given(LATENTS, LATENTS)
def test_kl_is_its_closed_form_and_never_negative(mean, logvar):
    found = cvae.elbo.gaussian_kl(mean, logvar)
    rows = zip(mean.tolist(), logvar.tolist(), strict=True)
    expected = [math.fsum((math.exp(v) + m * m - 1.0 - v) / 2.0 for m, v in zip(*row, strict=True)) for row in rows]
    assert (found.dtype, found.shape) == (np.float64, (2,))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert (found >= -1e-12).all()


def test_kl_to_itself_is_zero():
    assert cvae.elbo.gaussian_kl(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)).tolist() == [0.0, 0.0]


@given(LATENTS, LATENTS, LATENTS)
def test_log_density(z, mean, logvar):
    found = gaussian_log_density(z, mean, logvar)
    expected = [
        math.fsum(
            -0.5 * math.log(2.0 * math.pi * math.exp(v)) - (x - m) ** 2 / (2.0 * math.exp(v))
            for x, m, v in zip(*row, strict=True)
        )
        for row in zip(z.tolist(), mean.tolist(), logvar.tolist(), strict=True)
    ]
    assert (found.dtype, found.shape) == (np.float64, (2,))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_kl_is_the_mean_of_the_log_ratio():
    mean, logvar = np.float32([[0.7, -1.2, 0.1]]), np.float32([[-0.5, 0.3, -1.0]])
    noise = cvae.prior_latents(0, 0, 40_000, 3)
    z = cvae.elbo.reparameterize(mean, logvar, noise)
    zero = np.zeros(3, np.float32)
    ratio = gaussian_log_density(z, mean, logvar) - gaussian_log_density(z, zero, zero)
    assert abs(ratio.mean() - cvae.elbo.gaussian_kl(mean, logvar)[0]) < 5.0 * ratio.std() / math.sqrt(len(ratio))


def test_reparameterize_shifts_and_stretches_the_noise():
    mean, logvar, noise = np.float32([[1, 2]]), np.float32([[0, 2 * math.log(3)]]), np.float32([[-1, 0.5]])
    z = cvae.elbo.reparameterize(mean, logvar, noise)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, [[0.0, 3.5]], rtol=1e-6)


def test_targets():
    pixels = np.array([0, 1, 127, 128, 254, 255], np.uint8).reshape(1, 2, 3, 1)
    binary, grey = cvae.elbo.targets_of(pixels, 128), cvae.elbo.targets_of(pixels, None)
    assert (binary.dtype, grey.dtype, binary.shape) == (np.float32, np.float32, pixels.shape)
    assert binary.ravel().tolist() == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    np.testing.assert_array_equal(grey, pixels / np.float32(255))
    np.testing.assert_array_equal(cvae.elbo.targets_of(pixels, None, 127), pixels / np.float32(127))

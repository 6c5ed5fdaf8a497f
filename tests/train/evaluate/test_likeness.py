import numpy as np
import pytest

from cvae_train._evaluate.likeness import EXACT, mean_likeness


def test_of_noise():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 32, 24, 3), np.uint8)
    exact = images / np.float32(255)
    assert mean_likeness([(images, exact)]) == pytest.approx((EXACT, 1.0))
    assert mean_likeness([(images, np.clip(exact + 0.1, 0, 1))])[1] > 0.9
    assert mean_likeness([(images, rng.random(images.shape, np.float32))])[1] < 0.1


@pytest.mark.parametrize("side", [7, 8, 20])
def test_of_a_shift(side):
    images, shifted = np.full((1, side, side, 1), 51, np.uint8), np.full((1, side, side, 1), 0.3, np.float32)
    psnr, ssim = mean_likeness([(images, shifted)])
    assert psnr == pytest.approx(20.0, abs=1e-3)  # off by a tenth
    # Of SSIM's three factors, that of the means remains, with its constant of 0.01 squared.
    assert ssim == pytest.approx((2 * 0.2 * 0.3 + 1e-4) / (0.2**2 + 0.3**2 + 1e-4), abs=1e-4)


def test_is_a_mean_over_all_images():
    rng = np.random.default_rng(1)
    images, found = rng.integers(0, 256, (5, 8, 8, 1), np.uint8), rng.random((5, 8, 8, 1), np.float32)
    parts = [(images[:4], found[:4]), (images[4:], found[4:])]
    assert mean_likeness(parts) == pytest.approx(mean_likeness([(images, found)]))


def test_tiny_images_have_no_ssim():
    assert mean_likeness([(np.zeros((2, 6, 9, 1), np.uint8), np.zeros((2, 6, 9, 1), np.float32))]) == (EXACT, None)

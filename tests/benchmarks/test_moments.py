import numpy as np
import pytest

from benchmarks._moments import slant, stroke_width


def bar(lean, width, height=41, size=61):
    """A bar that leans to the right by ``lean`` pixels a row, with smooth edges, (1, size, size, 1)."""
    y, x = np.mgrid[0:size, 0:size] - size // 2
    distance = np.abs(x + lean * y) - width / 2  # the image's y points down
    ink = np.clip(0.5 - distance, 0, 1) * (np.abs(y) <= height // 2)
    return ink[np.newaxis, ..., np.newaxis]


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.25])
def test_a_shear_is_the_slant(lean):
    assert slant(bar(lean, 4)) == pytest.approx([lean], abs=1e-3)


def test_a_shear_adds_to_the_slant_of_any_image():
    ink = np.zeros((1, 20, 60, 1))
    ink[0, :, 20:40, 0] = np.random.default_rng(0).random((20, 20))
    sheared = np.stack([np.roll(ink[:, row], 9 - row, axis=1) for row in range(20)], axis=1)
    assert slant(sheared) - slant(ink) == pytest.approx([1.0])


@pytest.mark.parametrize("width", [2, 4, 6])
def test_the_width_of_a_bar(width):
    # The area of a bar is w l and its perimeter 2 (w + l).
    assert stroke_width(bar(0, width)) == pytest.approx([width * 41 / (width + 41)], rel=0.03)


def test_the_width_does_not_depend_on_the_slant():
    assert stroke_width(bar(0.5, 4 * np.hypot(1, 0.5))) == pytest.approx(stroke_width(bar(0, 4)), rel=0.05)


def test_colour_and_bytes():
    ink = bar(0.25, 4)
    assert slant((ink * 200).astype(np.uint8).repeat(3, axis=3)) == pytest.approx([0.25], abs=1e-2)
    assert stroke_width(ink.repeat(3, axis=3)) == pytest.approx(stroke_width(ink))


def test_empty_images_have_no_moments():
    images = np.concatenate([np.zeros((1, 61, 61, 1)), bar(0, 4)])
    assert np.isnan(slant(images)).tolist() == np.isnan(stroke_width(images)).tolist() == [True, False]

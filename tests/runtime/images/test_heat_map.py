"""Smoothed maps, boxes around their regions, and heat maps."""

import numpy as np
import pytest

from cvae_runtime._images import Box, draw_heat, find_box, smooth_maps


def test_smoothing_averages_the_neighbours_in_the_map():
    maps = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    expected = [
        [
            [part[max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].mean(dtype=np.float64) for c in range(4)]
            for r in range(5)
        ]
        for part in maps
    ]
    assert np.allclose(smooth_maps(maps), expected, rtol=1e-12, atol=1e-12)


def test_a_map_of_one_pixel():
    assert smooth_maps(np.float32([[[3.0]]])).tolist() == [[[3.0]]]


@pytest.mark.parametrize(
    ("picture", "box"),
    [
        ("...\n...\n...", None),
        ("...\n.#.\n...", Box(1, 1, 2, 2)),
        ("#..\n.#.\n..#", Box(0, 0, 3, 3)),  # corners touch
        ("##.\n...\n###", Box(2, 0, 3, 3)),  # the larger one
        ("##.\n...\n.##", Box(0, 0, 1, 2)),  # the first of equal ones
        ("###\n#.#\n###", Box(0, 0, 3, 3)),
    ],
)
def test_the_box_of_the_largest_region(picture, box):
    values = np.array([[2.0 if character == "#" else 1.0 for character in line] for line in picture.split()])
    assert find_box(values, 1.0) == box


def test_heat_maps_blend_with_red_and_frame_boxes():
    images = np.full((2, 4, 4, 1), 100, np.uint8)
    values = np.zeros((2, 4, 4))
    values[0, 0, 0], values[0, 0, 1], values[0, 0, 2] = 3.0, 30.0, -9.0
    drawn = draw_heat(images, values, 3.0, [None, Box(1, 1, 4, 4)])
    assert drawn.shape == (2, 4, 4, 3)
    assert drawn[0, 0, :4].tolist() == [[178, 50, 50], [224, 20, 20], [100, 100, 100], [100, 100, 100]]
    framed = (drawn[1] == (255, 0, 0)).all(axis=2)
    assert framed.tolist() == [[False] * 4, [False, True, True, True], [False, True, False, True], [False, *[True] * 3]]


def test_colours_stay_and_a_threshold_of_0_is_allowed():
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 3, 3), np.uint8)
    assert (draw_heat(images, np.full((1, 3, 3), -1.0), 0.0, [None]) == images).all()
    assert (draw_heat(images, np.ones((1, 3, 3)), 0.0, [None])[..., 0] >= 204).all()

"""Statistics of images under a threshold."""

import numpy as np

from cvae_runtime._images.cut import lost_images
from cvae_runtime.images import evenly_spaced, look_at_cut


def images(*rows):
    return np.array(rows, np.uint8).reshape(len(rows), 1, -1, 1)


def test_white_lost_alike_levels_and_grey_are_counted():
    found = look_at_cut(images([0, 127], [3, 9], [128, 255], [7, 7], [0, 200]), 128)
    assert (found.count, found.white, found.lost, found.alike) == (5, 0.3, 3, 3)
    assert (found.low, found.high, found.grey) == (0, 255, 0.2)


def test_equal_images_are_not_alike():
    assert look_at_cut(images([0, 255], [0, 255], [255, 0]), 128).alike == 0


def test_an_image_of_one_level_is_not_lost():
    assert lost_images(images([5, 5], [0, 0], [255, 255]), 128) == 0
    assert lost_images(images([5, 6], [200, 255], [0, 255]), 128) == 2
    assert lost_images(images([5, 6]), None) == 0


def test_numbers_are_spaced_evenly():
    assert evenly_spaced(3, 10).tolist() == [0, 1, 2]
    assert evenly_spaced(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert evenly_spaced(1, 1).tolist() == [0]

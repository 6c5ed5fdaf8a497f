"""Captions: their place, and unchanged images."""

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._images.captions import caption_cells, caption_rows

HEIGHT = 14


def inked(area):
    """Whether anything was written."""
    return bool((area < 64).any())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_caption_is_below_its_image(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, channels), np.uint8)
    cells = caption_cells(images, ["7", "", "7"])
    assert (cells.dtype, cells.shape) == (np.uint8, (3, 20 + HEIGHT, 30, channels))
    np.testing.assert_array_equal(cells[:, :20], images)
    np.testing.assert_array_equal(cells[0, 20:], cells[2, 20:])
    assert inked(cells[0, 20:])
    assert (cells[1, 20:] == 128).all()
    assert (cells[0, 20:, [0, 1, 2, -3, -2, -1]] == 128).all()  # in the middle, not against an edge


def test_long_captions_widen_cells():
    images = np.full((2, 5, 6, 1), 200, np.uint8)
    cells = caption_cells(images, ["1", "18446744073709551615"])
    width = cells.shape[2]
    assert width > 60
    columns = np.flatnonzero((cells[:, :5] == 200).all(axis=(0, 1, 3)))
    np.testing.assert_array_equal(columns, (width - 6) // 2 + np.arange(6))
    assert inked(cells[1, 5:, : width // 4])
    assert inked(cells[1, 5:, -width // 4 :])
    assert not inked(cells[0, 5:, : width // 4])


def test_different_captions_look_different():
    cells = caption_cells(np.zeros((10, 1, 30, 1), np.uint8), list("0123456789"))
    assert len({cell.tobytes() for cell in cells}) == 10


def test_a_row_s_caption_is_left_of_it():
    grid = cvae.image_grid(np.full((6, 20, 20, 1), 255, np.uint8), columns=2)
    labelled = caption_rows(grid, ["3", "", "41"], 1)
    margin = labelled.shape[1] - grid.shape[1]
    assert margin > 0
    np.testing.assert_array_equal(labelled[:, margin:], grid)
    assert [inked(labelled[1 + 21 * row : 21 * (row + 1), :margin]) for row in range(3)] == [True, False, True]
    # In the middle of the row's height: what is above and below the digit differs by a pixel or two.
    written = np.flatnonzero((labelled[:21, :margin] < 64).any(axis=(1, 2)))
    assert abs((written[0] + written[-1]) / 2 - 10.5) <= 2


@pytest.mark.parametrize("size", [1, 4])
def test_rows_lower_than_text_have_captions(size):
    grid = cvae.image_grid(np.zeros((2, size, size, 3), np.uint8), columns=1)
    labelled = caption_rows(grid, ["0", "1"], 1)
    assert (labelled.shape[0], labelled.shape[2]) == (grid.shape[0], 3)
    assert labelled.shape[1] > grid.shape[1]

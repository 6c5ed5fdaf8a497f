"""Grids, PNG and GIF: every pixel where it belongs."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

import cvae_runtime as cvae


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 3]),
    st.one_of(st.none(), st.integers(1, 14)),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_a_grid_holds_every_image_and_grey_elsewhere(count, height, width, channels, columns, padding, scale):
    images = np.random.default_rng(0).integers(0, 256, (count, height, width, channels), np.uint8)
    grid = cvae.picture_grid(images, columns, padding, scale)
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cell = (height * scale + padding, width * scale + padding)
    assert (grid.dtype, grid.shape) == (np.uint8, (rows * cell[0] + padding, columns * cell[1] + padding, channels))
    rest = np.ones(grid.shape[:2], bool)
    for index, image in enumerate(images):
        top, left = padding + index // columns * cell[0], padding + index % columns * cell[1]
        place = np.s_[top : top + height * scale, left : left + width * scale]
        np.testing.assert_array_equal(grid[place], np.kron(image, np.ones((scale, scale, 1), np.uint8)))
        rest[place] = False
    assert rest.sum() == rest.size - count * height * width * scale**2  # no two images overlap
    assert (grid[rest] == 128).all()


@pytest.mark.parametrize(("count", "shape"), [(1, (4, 4)), (3, (7, 7)), (4, (7, 7)), (5, (7, 10)), (64, (25, 25))])
def test_a_grid_is_as_square_as_can_be(count, shape):
    assert cvae.picture_grid(np.zeros((count, 2, 2, 1), np.uint8)).shape == (*shape, 1)


def test_values_become_the_nearest_grey_levels():
    values = np.array([-1.0, 0.0, 0.0019, 0.002, 0.5, 0.998, 0.9981, 1.0, 7.0], np.float32)
    found = cvae.to_uint8(values)
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 0, 0, 1, 128, 254, 255, 255, 255]


def test_every_grey_level_survives():
    levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    np.testing.assert_array_equal(cvae.to_uint8(levels.astype(np.float32) / np.float32(255)), levels)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_png_keeps_every_pixel(channels, mode):
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, channels), np.uint8)
    data = cvae.encode_png(picture)
    assert data == cvae.encode_png(picture)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", mode, (7, 5))
        np.testing.assert_array_equal(np.asarray(image).reshape(picture.shape), picture)


@pytest.mark.parametrize("count", [1, 4])
def test_a_gif_shows_every_grey_frame_for_its_time_and_loops(count):
    frames = np.random.default_rng(2).integers(0, 256, (count, 5, 7, 1), np.uint8)
    with Image.open(io.BytesIO(cvae.encode_gif(list(frames), 120))) as image:
        assert (image.format, image.n_frames, image.size) == ("GIF", count, (7, 5))
        assert image.info["loop"] == 0  # without end
        shown = [(frame.info["duration"], np.asarray(frame.convert("L"))) for frame in ImageSequence.Iterator(image)]
    assert [duration for duration, _ in shown] == [120] * count
    np.testing.assert_array_equal([pixels for _, pixels in shown], frames[..., 0])


def test_a_gif_of_colour_is_close_to_its_frames():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[0, ..., 0], frames[1, ..., 2] = 200, 90
    with Image.open(io.BytesIO(cvae.encode_gif(list(frames), 50))) as image:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    np.testing.assert_array_equal(shown, frames)


def test_frames_of_one_array_that_is_used_again_are_all_in_a_gif():
    def frames():
        buffer = np.zeros((4, 5, 1), np.uint8)
        for level in (0, 90, 200):
            buffer[:] = level
            yield buffer

    with Image.open(io.BytesIO(cvae.encode_gif(frames(), 100))) as gif:
        assert gif.n_frames == 3
        levels = []
        for frame in range(3):
            gif.seek(frame)
            levels.append(gif.convert("L").getpixel((0, 0)))
    assert levels == [0, 90, 200]

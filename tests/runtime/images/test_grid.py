"""Grids, PNG and GIF: every pixel has its place and value."""

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
    grid = cvae.image_grid(images, columns, padding=padding, scale=scale)
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
    assert cvae.image_grid(np.zeros((count, 2, 2, 1), np.uint8)).shape == (*shape, 1)


def test_values_become_the_nearest_grey_levels():
    values = np.array([-0.0019, 0.0, 0.0019, 0.002, 0.5, 0.998, 0.9981, 1.0, 1.0019], np.float32)
    for dtype in (np.float32, np.float64):
        found = cvae.to_uint8(values.astype(dtype))
        assert found.dtype == np.uint8
        assert found.tolist() == [0, 0, 0, 1, 128, 254, 255, 255, 255]
    assert cvae.to_uint8(np.array([0.25, 0.5, 1.0], np.float16)).tolist() == [64, 128, 255]
    assert cvae.to_uint8(np.empty((0, 4, 4, 1), np.float32)).shape == (0, 4, 4, 1)


# The same cases are in runtime/js/tests/pictures.test.ts.
NO_IMAGES = [
    (np.array([0.5, np.nan], np.float32), "NaN"),
    (np.array([0.5, 255.0], np.float32), "255.000"),
    (np.array([0.5, 1.002], np.float64), "1.002"),
    (np.array([-0.25, 2.0], np.float32), "-0.250"),
    (np.array([np.inf], np.float32), "larger numbers"),
    (np.array([-1e9], np.float32), "larger numbers"),
    (np.array([0, 255], np.int64), "int64"),
    (np.array([0, 255], np.uint16), "uint16"),
]


@pytest.mark.parametrize(("images", "found"), [*NO_IMAGES, (np.array([True]), "bool"), (["a"], "<U1")])
def test_other_arrays_are_an_error_for_each_encoder(images, found, refuses):
    message = f"images must be uint8, or floats in [0, 1]; found {found}: scale or convert them"
    picture = np.asarray(images).reshape(1, -1, 1)
    for draw in (
        lambda: cvae.to_uint8(images),
        lambda: cvae.image_grid(picture[np.newaxis]),
        lambda: cvae.encode_png(picture),
        lambda: cvae.encode_gif([picture], 100),
    ):
        with refuses(cvae.InputError, message):
            draw()


def test_samples_are_drawn_as_their_grey_levels_are(packaged_model):
    samples = packaged_model.generate(16)
    levels = cvae.to_uint8(samples)
    assert len(np.unique(levels)) > 100
    assert cvae.to_uint8(levels) is levels
    np.testing.assert_array_equal(cvae.image_grid(samples), cvae.image_grid(levels))
    assert cvae.encode_png(samples[0]) == cvae.encode_png(levels[0])
    assert cvae.encode_gif(samples, 100) == cvae.encode_gif(levels, 100)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((3, 4, 1), {}, "images must have the shape (N, H, W, C) and hold at least one; found (3, 4, 1)"),
        ((0, 4, 4, 1), {}, "images must have the shape (N, H, W, C) and hold at least one; found (0, 4, 4, 1)"),
        ((1, 4, 4, 1), {"columns": 0}, "columns must be a whole number of at least 1; found 0"),
        ((1, 4, 4, 1), {"padding": -1}, "padding must be a whole number of at least 0; found -1"),
        ((1, 4, 4, 1), {"scale": 1.5}, "scale must be a whole number of at least 1; found 1.5"),
    ],
)
def test_invalid_arguments_of_a_grid_are_an_error(shape, settings, message, refuses):
    with refuses(cvae.InputError, message):
        cvae.image_grid(np.zeros(shape, np.uint8), **settings)


def test_arrays_that_are_not_pictures_are_an_error(refuses):
    message = "a picture must have the shape (H, W, C), C being 1 or 3; found {}"
    for shape in ((4, 4), (4, 4, 2), (1, 4, 4, 1), (0, 4, 1)):
        with refuses(cvae.InputError, message.format(shape)):
            cvae.encode_png(np.zeros(shape, np.uint8))
        with refuses(cvae.InputError, message.format(shape)):
            cvae.encode_gif([np.zeros(shape, np.float32)], 100)
    with refuses(cvae.InputError, "frames must hold at least one picture; found none"):
        cvae.encode_gif([], 100)


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
def test_a_gif_keeps_frames_and_durations_and_loops(count):
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


def test_frames_may_reuse_one_array():
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


@pytest.mark.parametrize(
    ("shape", "settings", "grid"),
    [
        ((4, 5), {}, {"scale": 2}),
        ((4, 5, 3), {}, {"scale": 2}),
        ((4, 5, 1), {"scale": 3}, {"scale": 3}),
        ((7, 4, 5), {"columns": 2, "padding": 0}, {"scale": 2, "columns": 2, "padding": 0}),
        ((7, 4, 5, 3), {}, {"scale": 2}),
        ((2, 65, 4, 1), {}, {"scale": 1}),
        ((2, 6, 4, 5, 3), {}, {"scale": 2, "columns": 6}),
        ((2, 6, 4, 5, 1), {"columns": 3}, {"scale": 2, "columns": 3}),
    ],
)
def test_show_draws_a_grid(shape, settings, grid):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    channels = shape[-1] if shape[-1] in (1, 3) else 1
    height, width = (shape[-3:-1] if shape[-1] in (1, 3) else shape[-2:])[:2]
    expected = cvae.image_grid(images.reshape(-1, height, width, channels), **grid)
    picture = cvae.show(images, **settings)
    assert picture.mode == ("L" if channels == 1 else "RGB")
    np.testing.assert_array_equal(np.asarray(picture).reshape(expected.shape), expected)
    assert picture._repr_png_().startswith(b"\x89PNG")  # notebooks call it


def test_show_takes_floats_and_lists():
    levels = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 1), np.uint8)
    expected = np.asarray(cvae.show(levels))
    np.testing.assert_array_equal(np.asarray(cvae.show(levels / np.float32(255))), expected)
    np.testing.assert_array_equal(np.asarray(cvae.show(list(levels))), expected)


SHOWN = "images to show must have the shape (N, H, W, C), C being 1 or 3, or another that show() takes"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros(3, np.uint8), f"{SHOWN}; found (3,)"),
        (np.zeros((2, 4, 5, 2), np.uint8), f"{SHOWN}; found (2, 4, 5, 2)"),
        ([], f"{SHOWN}; found (0,)"),
        (
            np.zeros((0, 4, 5, 1), np.uint8),
            "images must have the shape (N, H, W, C) and hold at least one; found (0, 4, 5, 1)",
        ),
        (
            [np.zeros((4, 5), np.uint8), np.zeros((5, 5), np.uint8)],
            "images of a list must have one shape; found (4, 5) and (5, 5): show them one by one",
        ),
        ("samples.png", "images must be uint8, or floats in [0, 1]; found <U11: scale or convert them"),
    ],
)
def test_show_refuses_what_is_no_picture(images, message, refuses):
    with refuses(cvae.InputError, message):
        cvae.show(images)

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cvae_train import EpochRecord
from cvae_train._run.plots import draw_elbo_curve, gif_epochs, sample_picture, write_elbo_curve, write_gif


def test_gif_epochs_follow_the_notebooks_rule():
    # A literal version of the rule: a frame is shown if round(2 * sqrt(i)) is higher than at the last one shown.
    expected, last = [], -1.0
    for i in range(101):
        if round(2 * i**0.5) > round(last):
            expected.append(i)
            last = 2 * i**0.5
    assert gif_epochs(100) == [*expected, 100]
    assert gif_epochs(10) == [0, 1, 2, 4, 6, 8, 10]
    assert gif_epochs(1) == [0, 1, 1]


def test_the_sample_picture_is_a_4x4_grid_of_the_decoded_latents():
    probs = np.linspace(0, 1, 16, dtype=np.float32).repeat(16).reshape(16, 4, 4, 1)
    with Image.open(io.BytesIO(sample_picture(probs))) as picture:
        pixels = np.asarray(picture)
    cell = 4 * 3 + 1
    assert pixels.shape == (4 * cell + 1, 4 * cell + 1)
    centers = pixels[cell // 2 :: cell, cell // 2 :: cell]
    assert centers.ravel().tolist() == np.rint(np.linspace(0, 255, 16)).tolist()


def test_samples_in_colour_stay_in_colour_in_png_and_gif(tmp_path):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 120, 40]], np.uint8)
    probs = np.broadcast_to(colours.reshape(4, 1, 1, 3) / np.float32(255), (4, 5, 6, 3))
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    for path, images in zip(paths, (probs, probs[::-1]), strict=True):
        path.write_bytes(sample_picture(images))
    write_gif(tmp_path / "a.gif", paths)
    with Image.open(paths[0]) as picture, Image.open(tmp_path / "a.gif") as gif:
        assert (picture.mode, picture.size, gif.size) == ("RGB", (2 * 19 + 1, 2 * 16 + 1), (39, 33))
        gif.seek(1)
        for frame, order in ((picture, colours), (gif.convert("RGB"), colours[::-1])):
            cells = [frame.getpixel((x, y)) for y in (8, 24) for x in (10, 29)]
            np.testing.assert_allclose(cells, order, atol=2)


def test_the_gif_holds_the_pictures(tmp_path):
    paths = []
    for level in (0, 100, 200):
        paths.append(tmp_path / f"{level}.png")
        Image.new("L", (6, 4), level).save(paths[-1])
    write_gif(tmp_path / "a.gif", paths)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (3, (6, 4), 100, 0)
        levels = []
        for frame in range(3):
            gif.seek(frame)
            levels.append(gif.convert("L").getpixel((0, 0)))
    assert levels == [0, 100, 200]


def test_the_elbo_curve_is_a_png(tmp_path):
    history = [EpochRecord(epoch, -100.0 / epoch, -70.0, 30.0, -110.0, 1.0, 1.0) for epoch in (1, 2)]
    write_elbo_curve(tmp_path / "elbo.png", history, 1)
    with Image.open(tmp_path / "elbo.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 5  # something is drawn


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "test ELBO -100.00 after epoch 1 of 2"),
        ({"given_label": True}, "test ELBO given the label -100.00 after epoch 1 of 2"),
    ],
)
def test_the_title_of_the_elbo_curve(options, title):
    axes = Figure().subplots()
    history = [EpochRecord(epoch, -100.0 * epoch, -70.0, 30.0, -110.0, 1.0, 1.0) for epoch in (1, 2)]
    draw_elbo_curve(axes, history, 1, **options)
    assert axes.get_title() == title

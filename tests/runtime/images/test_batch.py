"""Images of callers: arrays, PIL images, paths, and lists of images become one array."""

import logging

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
from cvae_runtime._images import image_batch

GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
COLOUR = np.stack([GREY, GREY[::-1], np.full_like(GREY, 7)], axis=-1)
RESIZE = "pass --resize, in Python read_images(..., resize=True), to scale and crop it"
GRAY = "pass --grey, in Python read_images(..., grey=True), to turn it grey"


def same(found, expected):
    return found.dtype == np.uint8 and found.shape == expected.shape and (found == expected).all()


def test_an_array_is_not_copied():
    images = np.stack([GREY, GREY])[..., np.newaxis]
    assert image_batch(images, (4, 5, 1)) is images
    assert np.shares_memory(image_batch(images[0, ..., 0], (4, 5, 1)), images)


@pytest.mark.parametrize(
    ("shape", "model", "count"),
    [
        ((4, 5), (4, 5, 1), 1),
        ((4, 5, 1), (4, 5, 1), 1),
        ((7, 4, 5), (4, 5, 1), 7),
        ((7, 4, 5, 1), (4, 5, 1), 7),
        ((4, 5, 3), (4, 5, 3), 1),
        ((7, 4, 5, 3), (4, 5, 3), 7),
        ((3, 3, 3), (3, 3, 3), 1),
        ((3, 3, 3), (3, 3, 1), 3),
    ],
)
def test_axes(shape, model, count):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert same(image_batch(images, model), images.reshape(count, *model))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (5, 4, 3), (1, 4, 5)])
def test_a_colour_model_needs_three_channels(shape, refuses):
    with refuses(cvae.InputError, f"images must be uint8 of shape (N, 4, 5, 3); found shape {shape}"):
        image_batch(np.zeros(shape, np.uint8), (4, 5, 3))


def test_pil_images():
    assert same(image_batch(Image.fromarray(COLOUR), (4, 5, 3)), COLOUR[np.newaxis])
    assert same(image_batch(Image.fromarray(GREY), (4, 5, 3)), np.stack([GREY] * 3, axis=-1)[np.newaxis])
    clear = Image.new("RGBA", (5, 4))
    assert same(image_batch(clear, (4, 5, 3)), np.full((1, 4, 5, 3), 255, np.uint8))
    turned = Image.fromarray(GREY)
    turned.getexif()[0x0112] = 3  # upside down
    assert same(image_batch(turned, (4, 5, 1)), GREY[np.newaxis, ::-1, ::-1, np.newaxis])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            Image.new("L", (8, 6)),
            f"images: the model takes 5x4 pixels (width x height), found 8x6; {RESIZE}",
        ),
        (
            [np.zeros((4, 5), np.uint8), Image.new("RGB", (5, 4))],
            f"images[1]: the model takes grey images, found colour; {GRAY}",
        ),
        (
            Image.new("F", (5, 4)),
            "images: expected 8 bits a channel, or 16 of grey, found mode F; convert the image to 8 bits",
        ),
    ],
    ids=["size", "colour", "mode"],
)
def test_pil_images_that_do_not_fit(image, message, refuses):
    with refuses(cvae.InputError, message):
        image_batch(image, (4, 5, 1))


def test_a_damaged_pil_image(tmp_path):
    path = tmp_path / "a.bmp"
    Image.fromarray(GREY).save(path)
    path.write_bytes(path.read_bytes()[:-8])
    with Image.open(path) as picture, pytest.raises(cvae.InputError, match="^images: cannot be read as an image: "):
        image_batch(picture, (4, 5, 1))


def test_a_folder(tmp_path, caplog, refuses):
    (tmp_path / "more").mkdir()
    for name, value in {"b.png": 2, "a.png": 1, "more/c.png": 3}.items():
        Image.new("L", (5, 4), value).save(tmp_path / name)
    expected = np.repeat(np.uint8([1, 2, 3]), 20).reshape(3, 4, 5, 1)
    with caplog.at_level(logging.WARNING, "cvae_runtime"):
        assert same(image_batch(tmp_path, (4, 5, 1)), expected)
        assert caplog.messages == []
        (tmp_path / "notes.txt").write_text("notes")
        assert same(cvae.read_images([str(tmp_path), tmp_path / "a.png"], (4, 5, 1)), expected[[0, 1, 2, 0]])
    assert caplog.messages == [f"{tmp_path}: skipped 1 file: 1 text (notes.txt)"]
    (tmp_path / "empty").mkdir()
    message = "expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP) in the folder, found none"
    with refuses(cvae.InputError, f"{tmp_path / 'empty'}: {message}"):
        image_batch(tmp_path / "empty", (4, 5, 1))


def test_read_images_takes_one_file_and_pil_images(tmp_path, refuses):
    picture = Image.new("RGB", (10, 8), (9, 9, 9))
    picture.save(tmp_path / "a.png")
    for files, count in [(str(tmp_path / "a.png"), 1), (picture, 1), ([picture, tmp_path / "a.png"], 2)]:
        found = cvae.read_images(files, (4, 5, 1), resize=True, grey=True)
        assert same(found, np.full((count, 4, 5, 1), 9, np.uint8))
    with refuses(cvae.InputError, "images[1] must be a path or a PIL image; found ndarray"):
        cvae.read_images([picture, np.zeros((4, 5), np.uint8)], (4, 5, 1), resize=True, grey=True)
    with refuses(cvae.InputError, "images must be a path or a PIL image; found NoneType"):
        cvae.read_images(None, (4, 5, 1))
    missing = tmp_path / "none.png"
    with refuses(
        cvae.InputError, f"{missing}: cannot be read as an image: [Errno 2] No such file or directory: '{missing}'"
    ):
        image_batch([str(missing)], (4, 5, 1))

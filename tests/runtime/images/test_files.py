"""Image files: read unchanged unless an option is set."""

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images

GREY = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
COLOUR = np.stack([GREY, GREY.T, np.full_like(GREY, 7)], axis=-1)
SHAPE = (4, 4, 1)


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_files_keep_the_order_of_the_command_line(tmp_path):
    paths = [
        saved(tmp_path / "b.png", GREY),
        saved(tmp_path / "a.png", GREY.T.copy()),
        tmp_path / "many.npy",
        tmp_path / "one.npy",
    ]
    np.save(paths[2], np.stack([GREY // 2, GREY // 4]))
    np.save(paths[3], (GREY / 255).astype(np.float32))
    images = cvae.read_images(paths, SHAPE)
    assert (images.dtype, images.shape) == (np.uint8, (5, *SHAPE))
    np.testing.assert_array_equal(images[..., 0], [GREY, GREY.T, GREY // 2, GREY // 4, GREY])


def test_a_jpeg_is_read(tmp_path):
    path = saved(tmp_path / "a.jpg", np.full((4, 4), 100, np.uint8), quality=100)
    assert np.abs(cvae.read_images([path], SHAPE).astype(int) - 100).max() <= 1


def test_black_and_white_is_grey(tmp_path):
    Image.fromarray(GREY).convert("1", dither=Image.Dither.NONE).save(tmp_path / "a.png")
    np.testing.assert_array_equal(cvae.read_images([tmp_path / "a.png"], SHAPE)[0, ..., 0], (GREY >= 128) * 255)


def test_colour_for_a_grey_model_needs_grey(tmp_path, refuses):
    path = saved(tmp_path / "a.png", COLOUR)
    with refuses(
        cvae.InputError,
        f"{path}: the model takes grey images, found colour; pass --grey, in Python read_images(..., grey=True), to turn it grey",
    ):
        cvae.read_images([path], SHAPE)
    luma = COLOUR @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    grey = cvae.read_images([path], SHAPE, grey=True)[0, ..., 0]
    assert np.abs(grey - luma).max() <= 1.0


def test_a_colour_model_takes_colour_and_grey(tmp_path):
    paths = [saved(tmp_path / "a.png", COLOUR), saved(tmp_path / "b.png", GREY)]
    images = cvae.read_images(paths, (4, 4, 3))
    np.testing.assert_array_equal(images, [COLOUR, np.stack([GREY] * 3, axis=-1)])


@pytest.mark.parametrize("grey", [False, True])
def test_transparent_parts_are_white(grey, tmp_path):
    pixels = np.dstack([COLOUR, np.where(GREY < 128, 0, 255)]).astype(np.uint8)
    path = saved(tmp_path / "a.png", pixels)
    images = cvae.read_images([path], SHAPE if grey else (4, 4, 3), grey=grey)
    assert (images[0][GREY < 128] == 255).all()
    assert (images[0][GREY >= 128] != 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "16 bits"])
def test_white_glyphs_have_a_black_background(mode, tmp_path):
    """On a white background the white glyph would vanish."""
    glyph = np.where(GREY < 128, 0, 255).astype(np.uint8)
    white = np.full_like(GREY, 255)
    path = tmp_path / "a.png"
    if mode == "RGBA":
        Image.fromarray(np.dstack([white, white - 3, white - 5, glyph])).save(path)
    elif mode == "LA":
        Image.fromarray(np.dstack([white, glyph])).save(path)
    elif mode == "P":
        palette = Image.fromarray((glyph > 0).astype(np.uint8)).convert("P")
        palette.putpalette([0, 0, 0, 255, 255, 255])
        palette.save(path, transparency=0)
    else:
        Image.fromarray(np.where(glyph > 0, 65535, 0).astype(np.uint16)).save(path, transparency=0)
    found = cvae.read_images([path], SHAPE, grey=True)[0, ..., 0]
    np.testing.assert_array_equal(found >= 250, glyph > 0)
    np.testing.assert_array_equal(found[glyph == 0], 0)


@pytest.mark.parametrize(("colour", "alpha"), [(255, 0), (255, 255), (255, 128), (240, [0, 255]), (0, [0, 255])])
def test_the_background_is_otherwise_white(colour, alpha, tmp_path):
    pixels = np.full((4, 4, 2), colour, np.uint8)
    pixels[..., 1] = np.resize(alpha, (4, 4))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = cvae.read_images([tmp_path / "a.png"], SHAPE)[0, ..., 0]
    np.testing.assert_array_equal(found, np.where(pixels[..., 1] == 255, colour, 255))


def test_a_colour_of_a_grey_png_can_be_transparent(tmp_path):
    path = saved(tmp_path / "a.png", GREY, transparency=32)
    images = cvae.read_images([path], SHAPE, grey=True)
    np.testing.assert_array_equal(images[0, ..., 0], np.where(GREY == 32, 255, GREY))


def test_a_palette_is_looked_up(tmp_path):
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "a.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    np.testing.assert_array_equal(cvae.read_images([tmp_path / "a.png"], (4, 4, 3))[0], expected)


def test_another_size_needs_resize(tmp_path, refuses):
    path = saved(tmp_path / "a.png", np.zeros((6, 8), np.uint8))
    message = f"{path}: the model takes 4x5 pixels (width x height), found 8x6; pass --resize, in Python read_images(..., resize=True), to scale and crop it"
    with refuses(cvae.InputError, message):
        cvae.read_images([path], (5, 4, 1))


def test_resize_covers_the_size_and_crops_both_sides_evenly(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 4:12] = 200  # the middle, which is kept; the black quarters on its sides are not
    path = saved(tmp_path / "wide.png", wide)
    tall = saved(tmp_path / "tall.png", wide.T.copy())
    images = cvae.read_images([path, tall], SHAPE, resize=True)
    assert images.shape == (2, *SHAPE)
    assert np.abs(images.astype(int) - 200).max() <= 12  # Lanczos looks a little beyond the edges


def test_resize_leaves_a_picture_of_the_right_size_alone(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(cvae.read_images([path], SHAPE, resize=True)[0, ..., 0], GREY)


def test_invert_swaps_light_and_dark(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(cvae.read_images([path], SHAPE, invert=True)[0, ..., 0], 255 - GREY)


def test_a_photograph_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    path = saved(tmp_path / "a.png", GREY, exif=exif)
    np.testing.assert_array_equal(cvae.read_images([path], SHAPE)[0, ..., 0], np.rot90(GREY, -1))


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(cvae.read_images([tmp_path / "a.gif"], SHAPE, grey=True)[0, ..., 0], GREY)


def test_sixteen_bits_of_grey_become_eight(tmp_path):
    levels = np.array([[0, 128, 129, 32767], [32768, 65406, 65407, 65535]], np.uint16)
    path = saved(tmp_path / "a.png", levels)
    expected = np.rint(levels / 257).astype(np.uint8)
    assert expected.ravel().tolist() == [0, 0, 1, 127, 128, 254, 255, 255]
    np.testing.assert_array_equal(cvae.read_images([path], (2, 4, 1))[0, ..., 0], expected)
    wide = saved(tmp_path / "a.tif", levels.astype(np.int32))  # mode I, of 32 bits
    np.testing.assert_array_equal(cvae.read_images([wide], (2, 4, 1))[0, ..., 0], expected)


def test_a_level_of_sixteen_bits_can_be_transparent(tmp_path):
    path = saved(tmp_path / "a.png", GREY.astype(np.uint16) * 257, transparency=32 * 257)
    np.testing.assert_array_equal(cvae.read_images([path], SHAPE)[0, ..., 0], np.where(GREY == 32, 255, GREY))


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.float32([[0.5]]), "expected 8 bits a channel, or 16 of grey, found mode F; convert the image to 8 bits"),
        (np.int32([[7, 65536]]), "expected 16 bits of grey, 0 to 65535, found 7 to 65536; convert the image to 8 bits"),
        (np.int32([[-1, 7]]), "expected 16 bits of grey, 0 to 65535, found -1 to 7; convert the image to 8 bits"),
    ],
)  # fmt: skip
def test_more_than_16_bits_are_an_error(array, why, tmp_path, refuses):
    path = saved(tmp_path / "a.tif", array)
    with refuses(cvae.InputError, f"{path}: {why}"):
        cvae.read_images([path], SHAPE)


PICTURES = {
    "grey.png": "L",
    "bits.png": "1",
    "sixteen.png": "I;16",
    "grey and transparent.png": "LA",
    "palette.png": "P",
    "transparent.png": "RGBA",
    "colour.bmp": "RGB",
    "colour.webp": "RGB",
    "grey.jpg": "L",
    "four colours.jpg": "CMYK",
}


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("file", PICTURES)
def test_encoded_shape_is_that_of_the_picture(file, turn, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.new(PICTURES[file], (5, 3)).save(tmp_path / file, exif=exif)
    picture = cvae.images.read_image(tmp_path / file, "it")
    shape = (picture.height, picture.width, 1 if picture.mode == "L" else 3)
    assert cvae.images.encoded_shape(tmp_path / file, "it") == shape
    assert shape[:2] == ((5, 3) if turn in (6, 8) and file != "colour.bmp" else (3, 5))  # BMP has no EXIF
    data = (tmp_path / file).read_bytes()
    assert cvae.images.encoded_shape(data, "it") == shape
    np.testing.assert_array_equal(np.asarray(cvae.images.read_image(data, "it")), np.asarray(picture))


def test_of_an_animated_webp_the_first_frame_is_read(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert cvae.read_images([tmp_path / "a.webp"], (4, 4, 3))[0, 0, 0].tolist() == [255, 0, 0]
    assert cvae.images.encoded_shape(tmp_path / "a.webp", "it") == (4, 4, 3)


def test_a_palette_can_have_a_transparent_colour(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "a.png", transparency=0)
    assert cvae.read_images([tmp_path / "a.png"], (1, 2, 3)).reshape(2, 3).tolist() == [[255, 255, 255], [40, 50, 60]]


def test_other_bytes_are_an_error_with_their_name():
    for read in (cvae.images.encoded_shape, cvae.images.read_image):
        with pytest.raises(
            cvae.InputError,
            match=r"^record 7: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found nothing",
        ):
            read(b"", "record 7")


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 4, 3), (2, 6, 1), (2, 6, 3), (9, 1, 3)])
def test_any_picture_is_brought_into_any_shape(shape):
    for image in (GREY[..., np.newaxis], COLOUR):
        fitted = cvae.images.fit_image(image, shape)
        assert (fitted.dtype, fitted.shape) == (np.uint8, shape)
        if shape == image.shape:
            np.testing.assert_array_equal(fitted, image)


def test_a_png_cut_anywhere_is_refused_or_whole(tmp_path):
    data = saved(tmp_path / "a.png", GREY).read_bytes()
    path = tmp_path / "cut.png"
    outcomes = []
    for length in range(len(data)):
        path.write_bytes(data[:length])
        try:
            # What follows the last pixel are checksums, without which Pillow does.
            np.testing.assert_array_equal(cvae.read_images([path], SHAPE)[0, ..., 0], GREY)
            outcomes.append("whole")
        except cvae.InputError as error:
            outcomes.append(str(error).split(":", maxsplit=2)[1])
    assert set(outcomes[:60]) == {" cannot be read as an image"}
    assert set(outcomes[60:]) <= {" cannot be read as an image", "whole"}


def test_a_decompression_bomb_is_an_error(tmp_path, monkeypatch, refuses):
    path = saved(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow warns beyond this and refuses beyond twice it
    why = "expected at most 10 pixels, found 4x4 (width x height); make the image smaller"
    with refuses(cvae.InputError, f"{path}: {why}"):
        cvae.read_images([path], SHAPE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    with pytest.raises(cvae.InputError, match=r"cannot be read as an image: .*16 pixels.* exceeds limit of 14 pixels"):
        cvae.read_images([path], SHAPE)


@pytest.mark.parametrize("extra", ["npy", "png"])
def test_an_array_that_is_no_picture_names_its_file(extra, tmp_path):
    path = tmp_path / f"a.{extra}"
    with path.open("wb") as file:
        np.save(file, np.zeros((1, 4, 4), np.int32))
    with pytest.raises(
        cvae.InputError, match=rf"a\.{extra}: (expected uint8, bool, or float|cannot be read as an image)"
    ):
        cvae.read_images([path], SHAPE)


def test_no_files_are_refused():
    with pytest.raises(cvae.InputError, match="at least one"):
        cvae.read_images([], SHAPE)

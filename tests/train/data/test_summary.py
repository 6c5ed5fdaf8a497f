"""The description of the images before training, and images that are rejected."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from cvae_runtime import InputError
from cvae_train import DataOptions, Dataset, load_data
from cvae_train._data.summary import describe_images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 8, 8), np.uint8)
GLYPHS = np.where(GREY > 200, 255, 0).astype(np.uint8)
REMEDY = "scale the levels to 0 to 255, or pass --binarize none to keep grey values"


def refusal(config, images):
    with pytest.raises(InputError) as caught:
        describe_images(config, Dataset(images, images[:1]))
    return str(caught.value)


def test_images_are_counted_with_their_shape_and_their_white(tiny_config):
    images = np.zeros((10, 8, 8), np.uint8)
    images[:, :2] = 255
    images[::2, 7] = 200
    lines = describe_images(tiny_config, Dataset(images, images[:4], validation=images[:3], notes=("a note",)))
    assert lines == [
        (
            "memory: images of 8x8 pixels, grey: 10 for training, 3 for validation, 4 for testing; "
            "31.2% white after thresholding"
        ),
        "a note",
    ]


def test_colour_is_not_cut(rgb_config, rgb_data):
    assert describe_images(rgb_config, rgb_data) == [
        "memory: images of 8x8 pixels, RGB: 40 for training, 13 for testing"
    ]


def test_grey_pictures_that_are_cut_get_a_line(tiny_config):
    lines = describe_images(tiny_config, Dataset(GREY, GREY[:4]))
    assert lines[1] == (
        "49% of the pixels are grey and become black or white; "
        "--likelihood discretized-logistic-mixture keeps their values"
    )
    assert len(describe_images(tiny_config, Dataset(GLYPHS, GLYPHS[:4]))) == 1
    assert len(describe_images(dataclasses.replace(tiny_config, binarize="none"), Dataset(GREY, GREY[:4]))) == 1


@pytest.mark.parametrize("binarize", ["static", "dynamic", "fixed", "none"])
def test_arrays_of_0_and_1_are_refused_whatever_is_made_of_them(tiny_config, binarize):
    assert refusal(dataclasses.replace(tiny_config, binarize=binarize), GLYPHS // 255) == (
        "memory: expected grey levels 0 to 255, found only 0 and 1; multiply the values by 255, or convert the array to bool"
    )


@pytest.mark.parametrize(
    ("images", "share", "levels"),
    [
        (GREY // 4, "0.00%", "0 to 63"),  # dark
        (255 - GREY // 4, "100.00%", "192 to 255"),  # light
        (GREY * 0, "0.00%", "0 to 0"),
        (np.where(np.arange(2560).reshape(40, 8, 8) % 1281 == 1, 255, GREY // 2), "0.08%", "0 to 255"),
    ],
)
def test_a_cut_that_leaves_nearly_nothing_is_refused(tiny_config, images, share, levels):
    images = images.astype(np.uint8)
    assert refusal(tiny_config, images) == (
        f"memory: expected black and white pixels after thresholding at level 128, found {share} white pixels "
        f"(levels {levels} of 255); {REMEDY}"
    )
    describe_images(dataclasses.replace(tiny_config, binarize="none"), Dataset(images, images))  # the remedy


def test_images_equal_after_thresholding_are_refused(tiny_config):
    images = GREY // 4
    images[:15] = GLYPHS[:15]
    assert refusal(tiny_config, images) == (
        f"memory: expected different images after thresholding at level 128, found 25 of 40 to be equal "
        f"(levels 0 to 255 of 255); {REMEDY}"
    )
    alike = np.repeat(GLYPHS[:1], 10, axis=0)
    assert len(describe_images(tiny_config, Dataset(alike, alike))) == 1


@pytest.mark.parametrize(
    ("binarize", "images", "line"),
    [
        ("fixed", GLYPHS, "22.0% white"),
        ("dynamic", GREY, "49.8% white on average, drawn anew in each epoch"),
        ("dynamic", GREY // 4, "12.3% white on average, drawn anew in each epoch"),
    ],
)
def test_white_pixels_of_other_binarizations(tiny_config, binarize, images, line):
    config = dataclasses.replace(tiny_config, binarize=binarize)
    lines = describe_images(config, Dataset(images, images[:4], notes=("a note",)))
    assert lines == [f"memory: images of 8x8 pixels, grey: 40 for training, 4 for testing; {line}", "a note"]


NO_GREY = (
    "memory: expected grey levels for --binarize dynamic, found only black and white; pass --binarize static, or train "
    "on grey images, such as those of cvae-train keras:mnist"
)
GREY_FOUND = (
    "memory: expected black and white pixels for --binarize fixed, found grey levels; pass --binarize static, which "
    "thresholds them, or --binarize dynamic, which draws them"
)


@pytest.mark.parametrize("grey", ["train", "test", "validation"])
def test_grey_levels_of_any_part_count(tiny_config, grey):
    glyphs = Dataset(GLYPHS, GLYPHS[:4], validation=GLYPHS[:5])
    mixed = dataclasses.replace(glyphs, **{grey: getattr(glyphs, grey) // 255 * 254})
    fixed, dynamic = (dataclasses.replace(tiny_config, binarize=binarize) for binarize in ("fixed", "dynamic"))
    for config, data, message in ((dynamic, glyphs, NO_GREY), (fixed, mixed, GREY_FOUND)):
        with pytest.raises(InputError) as caught:
            describe_images(config, data)
        assert str(caught.value) == message
    for config, data in ((fixed, glyphs), (dynamic, mixed)):
        assert len(describe_images(config, data)) == 1


def test_a_validation_part_is_there_once(tiny_config):
    data = Dataset(GLYPHS, GLYPHS[:4])
    own = dataclasses.replace(data, validation=GLYPHS[:5])
    patient = dataclasses.replace(tiny_config, patience=2)
    with pytest.raises(InputError) as caught:
        describe_images(patient, data)
    assert str(caught.value) == (
        "patience: expected a validation set, found none; set validation_fraction, for example to 0.1"
    )
    describe_images(patient, own)
    with pytest.raises(InputError) as caught:
        describe_images(dataclasses.replace(patient, validation_fraction=0.1), own)
    assert str(caught.value) == "memory: has its own validation set; leave --validation-fraction out"


def test_12_bits_in_a_png_of_16_are_refused(tiny_config, tmp_path):
    for number, image in enumerate(GREY):
        Image.fromarray(image.astype(np.uint16) * 16).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match=r"found 0\.00% white pixels \(levels 0 to 16 of 255\); scale"):
        describe_images(tiny_config, load_data(tmp_path))


def test_white_glyphs_on_transparency_are_read_as_white_on_black(tiny_config, tmp_path):
    for number, glyph in enumerate(GLYPHS):
        Image.fromarray(np.dstack([np.full((8, 8, 3), 255, np.uint8), glyph])).save(tmp_path / f"{number}.png")
    data = load_data(tmp_path, DataOptions(channels=1))
    np.testing.assert_array_equal(np.unique(data.train), [0, 255])
    assert len(describe_images(tiny_config, data)) == 2


def test_bool_is_black_and_white():
    data = Dataset(GLYPHS > 0, GLYPHS[:4] > 0)
    np.testing.assert_array_equal(data.train[..., 0], GLYPHS)

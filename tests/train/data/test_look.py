"""What a look at a data set finds, for synthetic sets of every kind."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cvae_runtime import InputError
from cvae_train import DataOptions
from cvae_train._data import held_out, load_data, look_at
from cvae_train._data.image_folder import class_folders

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (30, 16, 16), np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def saved_array(tmp_path, array):
    np.save(tmp_path / "set.npy", array)
    return tmp_path / "set.npy"


def glyphs(count=30):
    """Antialiased strokes, as in MNIST: 28x28, white on black."""
    images = np.zeros((count, 28, 28), np.uint8)
    for index in range(count):
        big = Image.new("L", (224, 224))
        points = [tuple(RNG.integers(40, 184, 2).tolist()) for _ in range(4)]
        ImageDraw.Draw(big).line(points, fill=255, width=22, joint="curve")
        images[index] = np.asarray(big.reduce(8))
    return images


def test_a_folder_of_colour_pictures(tmp_path):
    for index in range(20):
        colour = RNG.integers(60, 200, (12, 16, 3), np.uint8)
        save(tmp_path / "set" / "ab"[index % 2] / f"{index}.png", colour)
    (tmp_path / "set/notes.txt").write_text("words")
    look = look_at(tmp_path / "set", quiet=True)
    assert (look.low, look.high) == (60, 199)
    assert (look.train, look.test, look.validation) == (18, 2, None)
    assert (look.sizes, look.channels, look.grey, look.black_and_white) == ((((12, 16), 20),), 3, False, False)
    assert (look.near_black, look.near_white) == (0.0, 0.0)
    assert look.classes == (("a", 10), ("b", 10))
    assert look.notes == (
        "a fraction of 0.1 is held out for testing",
        "skipped 1 file: 1 text (notes.txt)",
    )
    assert look.source == load_data(tmp_path / "set", quiet=True).source


def test_many_sizes_are_counted_and_are_no_error(tmp_path):
    for index, (width, height) in enumerate([(10, 8)] * 4 + [(30, 20)] * 6 + [(8, 8)]):
        save(tmp_path / f"{index:02d}.png", np.full((height, width), index, np.uint8))
    assert look_at(tmp_path, quiet=True).sizes == (((20, 30), 6), ((8, 10), 4), ((8, 8), 1))


def test_parts_and_their_classes(tmp_path):
    for part, count in (("train", 8), ("val", 4), ("test", 2)):
        for index in range(count):
            save(tmp_path / part / ("cats", "dogs")[index % 2] / f"{index}.png", NOISE[index])
    look = look_at(tmp_path, quiet=True)
    assert (look.train, look.test, look.validation) == (8, 2, 4)
    assert look.classes == (("cats", 7), ("dogs", 7))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["a/1.png", "b/1.png", "b/2.png"], (("a", 1), ("b", 2))),
        (["all/a/1.png", "all/b/1.png"], (("a", 1), ("b", 1))),
        (["a/x/1.png", "a/y/1.png", "b/x/1.png"], (("a", 2), ("b", 1))),
        (["a/1.png", "a/2.png"], ()),
        (["a/1.png", "b/1.png", "1.png"], ()),
        (["all/1.png", "all/b/1.png"], ()),
        (["1.png", "2.png"], ()),
    ],
)
def test_class_folders(names, classes):
    assert class_folders(names) == classes


def test_grey_in_three_channels_is_grey(tmp_path):
    for index in range(10):
        save(tmp_path / f"{index}.png", np.repeat(NOISE[index][..., None], 3, axis=2))
    look = look_at(tmp_path, quiet=True)
    assert (look.channels, look.grey) == (3, True)


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_coloured_pixel_in_one_image_is_found(tmp_path, monkeypatch, part):
    monkeypatch.setattr("cvae_train._data.look._SAMPLE_IMAGES", 2)
    images = np.repeat(NOISE[..., None], 3, axis=3)
    assert look_at(saved_array(tmp_path, images)).grey
    test = held_out([str(index) for index in range(30)], 0.1)
    images[np.flatnonzero(test == (part == "test"))[1], 3, 4] = (10, 10, 11)
    assert not look_at(saved_array(tmp_path, images)).grey


def test_antialiased_glyphs_are_black_and_white(tmp_path):
    look = look_at(saved_array(tmp_path, glyphs()))
    assert look.black_and_white
    assert (look.low, look.high, look.grey, look.channels) == (0, 255, True, 1)
    assert look.near_black > 0.6
    assert 0.05 < look.near_white < 0.4
    assert look_at(saved_array(tmp_path, 255 - glyphs())).black_and_white


def test_the_embedded_set_is_black_and_white():
    look = look_at("mnist")
    assert (look.black_and_white, look.train, look.test, look.sizes) == (True, 60_000, 10_000, (((28, 28), 70_000),))


def test_grey_levels_are_not_black_and_white(tmp_path):
    # A quarter of the values is near each end, as in pictures of clothes on a black ground.
    soft = np.concatenate([np.zeros((30, 16, 16), np.uint8), NOISE], axis=2)
    look = look_at(saved_array(tmp_path, soft))
    assert not look.black_and_white
    assert look.near_black == pytest.approx(0.5 + 0.5 * 32 / 256, abs=0.01)
    assert look.near_white == pytest.approx(0.5 * 32 / 256, abs=0.01)


def test_black_and_white_colours_are_not_black_and_white(tmp_path):
    primary = np.where(RNG.random((30, 8, 8, 3)) > 0.5, 255, 0).astype(np.uint8)
    look = look_at(saved_array(tmp_path, primary))
    assert (look.near_black + look.near_white, look.black_and_white, look.grey) == (1.0, False, False)


def test_arrays_of_0_and_1(tmp_path):
    look = look_at(saved_array(tmp_path, (NOISE > 128).astype(np.uint8)))
    assert (look.low, look.high, look.near_black, look.near_white, look.black_and_white) == (0, 1, 1.0, 0.0, False)
    # An array of bool or float has its own meaning of white.
    for array in (NOISE > 128, (NOISE > 128).astype(np.float32)):
        look = look_at(saved_array(tmp_path, array))
        assert (look.low, look.high, look.black_and_white) == (0, 255, True)


def test_dark_images(tmp_path):
    look = look_at(saved_array(tmp_path, NOISE // 10))
    assert (look.low, look.high, look.near_white, look.black_and_white) == (0, 25, 0.0, False)


def test_twelve_bits_in_files_of_sixteen(tmp_path):
    for index in range(10):
        values = RNG.integers(0, 4096, (16, 16), np.uint16)
        Image.fromarray(values).save(tmp_path / f"{index}.png")
    look = look_at(tmp_path, quiet=True)
    assert (look.channels, look.grey, look.low, look.high, look.black_and_white) == (1, True, 0, 16, False)


def test_a_sample_gives_the_figures_of_all(tmp_path, monkeypatch):
    path = saved_array(tmp_path, np.repeat(NOISE, 20, axis=0))
    whole = look_at(path)
    monkeypatch.setattr("cvae_train._data.look._SAMPLE_IMAGES", 60)
    assert look_at(path).near_black == pytest.approx(whole.near_black, abs=0.01)


def test_unreadable_images(tmp_path):
    for index in range(5):
        save(tmp_path / f"{index}.png", NOISE[index])
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"1 of 6 images cannot be read; fix or remove them, or pass --skip-bad"):
        look_at(tmp_path, quiet=True)
    look = look_at(tmp_path, DataOptions(skip_bad=True), quiet=True)
    assert look.train + look.test == 5


def test_images_that_all_break_off_are_an_error(tmp_path):
    for index in range(3):
        save(tmp_path / f"{index}.png", NOISE[index])
        data = (tmp_path / f"{index}.png").read_bytes()
        (tmp_path / f"{index}.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"of 3 images cannot be read"):
        look_at(tmp_path, quiet=True)


def test_tfrecords_are_looked_at(tmp_path):
    import io

    from cvae_train import import_tensorflow

    tf = import_tensorflow()
    with tf.io.TFRecordWriter(str(tmp_path / "set.tfrecord")) as writer:
        for image in NOISE[:6]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[buffer.getvalue()]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"image": value})).SerializeToString())
    look = look_at(tmp_path / "set.tfrecord", quiet=True)
    assert (look.train, look.test, look.sizes, look.classes) == (5, 1, (((16, 16), 6),), ())

"""Folders of images: which files are read, how they are split, and errors for those that cannot be read."""

import errno
import logging
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cvae_runtime import InputError, read_images
from cvae_train import DataOptions, Dataset, load_data
from cvae_train._data.dataset import load_test
from cvae_train._data.holdout import held_out
from tests.train.data.reading import levels, refusal

GREY = DataOptions(channels=1)


@pytest.fixture
def save(tmp_path):
    """A function that saves an image of one colour, or of an array, below ``tmp_path/set``."""

    def save(name, picture=0, size=(4, 4), mode="L", **options):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else Image.new(mode, size, picture)
        image.save(path, **options)
        return path

    return save


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "set"


def test_images_are_read_in_the_order_of_their_paths(save, folder):
    names = ["b.png", "a/ü.PNG", "a/b/0.webp", "B.bmp", "日本/x.png", "a.png", "last.JPG", "z.jpeg"]
    for level, name in enumerate(sorted(names)):
        save(name, level * 20, lossless=True) if name.endswith("webp") else save(name, level * 20)
    for name in (".hidden.png", ".cache/1.png", "a/.git/2.png"):
        save(name, 255)
    (folder / "readme.txt").write_text("x")
    (folder / "empty").mkdir()
    data = load_data(folder, GREY)
    test = held_out(sorted(names), 0.1)
    assert data.source == str(folder)
    assert (len(data.train), len(data.test)) == (7, 1)
    found = np.zeros(8, int)
    found[~test], found[test] = levels(data.train), levels(data.test)
    assert np.abs(found - np.arange(8) * 20).max() <= 1  # JPEG


def test_train_and_test_are_the_parts_where_there_are_both(save, folder):
    save("train/a/1.png", 10), save("train/2.png", 20), save("test/3.png", 30), save("val/4.png", 40), save("5.png", 50)
    data = load_data(folder)
    assert (levels(data.train), levels(data.test), levels(data.validation)) == ([20, 10], [30], [40])
    assert refusal(folder, DataOptions(test_fraction=0.5)) == (
        f"{folder}: has its own test set; leave --test-fraction out"
    )
    (folder / "test/3.png").unlink()
    assert refusal(folder) == (f"{folder / 'test'}: expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP), found none")


def test_train_alone_is_a_name_like_any_other(save, folder):
    save("train/1.png", 10), save("cars/1.png", 20)
    data = load_data(folder)
    assert sorted(levels(data.train) + levels(data.test)) == [10, 20]
    assert data.notes == (
        "a fraction of 0.1 is held out for testing",
        "train/ is read like any other folder, since no folder beside it completes a split",
        "the folders are not read as classes, since train has no training images",
    )


@pytest.mark.parametrize("held", ["val", "Validation", "VALID", "dev", "test", "Testing", "eval"])
@pytest.mark.parametrize("train", ["train", "Training"])
def test_held_back_pictures_are_not_trained_on(save, folder, train, held):
    save(f"{train}/1.png", 10), save(f"{train}/a/2.png", 20), save(f"{held}/3.png", 30), save("4.png", 40)
    data = load_data(folder)
    assert (levels(data.train), levels(data.test), data.validation) == ([10, 20], [30], None)
    meaning = "is the test set"
    if held.lower() in ("val", "validation", "valid", "dev"):
        meaning += ", since there is no other"
    assert data.notes == (
        f"{train}/ is trained on, {held}/ {meaning}",
        "skipped 1 file: 1 outside of these (4.png)",
    )


def test_a_validation_part_beside_a_test_part_is_one(save, folder):
    save("train/1.png", 10), save("test/2.png", 20), save("val/3.png", 30), save("eval/4.png", 40)
    data = load_data(folder)
    assert (levels(data.train), levels(data.test), levels(data.validation)) == ([10], [40, 20], [30])
    assert data.notes == ("train/ is trained on, eval/, test/ is the test set, val/ is the validation set",)
    without = Dataset(data.train, data.test)
    assert data.fingerprint != without.fingerprint


def test_parts_of_each_kind_of_thing_are_parts(save, folder):
    save("bottle/train/good/1.png", 10), save("bottle/test/broken/2.png", 20), save("cable/train/good/3.png", 30)
    save("cable/test/bent/4.png", 40), save("cable/truth/4.png", 50)
    data = load_data(folder)
    assert (levels(data.train), levels(data.test)) == ([10, 30], [20, 40])
    assert data.notes[1] == "skipped 1 file: 1 outside of these (cable/truth/4.png)"


@pytest.mark.parametrize("others", ["1.png", "cats/1.png", None])
@pytest.mark.parametrize("held", ["val", "Test"])
def test_a_held_back_folder_without_one_for_training_is_an_error(save, folder, held, others):
    save(f"{held}/2.png")
    if others:
        save(others)
    assert refusal(folder) == (
        f"{folder}: expected a folder train/ beside {held}/, whose name excludes it from training, found none; "
        f"move the training images into {folder / 'train'}, or rename {held}/"
    )


def test_a_held_back_folder_deeper_in_is_read_and_said(save, folder):
    save("2019/test/1.png", 10), save("2019/2.png", 20)
    data = load_data(folder)
    assert sorted(levels(data.train) + levels(data.test)) == [10, 20]
    assert data.notes[1] == "2019/test/ is read like any other folder, since no folder beside it completes a split"


def test_content_decides_what_is_a_picture(save, folder):
    """Images are read by any name; text with the name of an image is an error, other text is skipped."""
    save("1.tiff", 10), save("2.GIF", 20), save("3.pgm", 30), save("4.dat", 40, format="PNG")
    save("5", 50, format="TIFF"), save("6.heic", 60, format="BMP")
    for name, content in (("a.csv", b"1,2,3\n4,5,6\n"), ("b.heic", b"\0\0\0\x18ftypheic"), (".c.png", b"")):
        (folder / name).write_bytes(content)
    data = load_data(folder, GREY)
    assert sorted(levels(data.train) + levels(data.test)) == [10, 20, 30, 40, 50, 60]
    assert data.notes[1] == "skipped 3 files: 1 AVIF or HEIC (b.heic), 1 CSV (a.csv), 1 hidden (.c.png)"
    (folder / "7.tif").write_text("x")
    assert refusal(folder, GREY).splitlines()[1] == (
        "  7.tif: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found text"
    )


def test_a_raw_picture_is_skipped_and_not_its_thumbnail_read(save, folder):
    save("1.png", 10), save("2.png", 20), save("3.nef", 30, format="TIFF")
    assert load_data(folder).notes[1] == "skipped 1 file: 1 raw image of a camera (3.nef)"


def test_the_held_out_part_is_as_large_as_asked(save, folder):
    for level in range(20):
        save(f"{level}.png", level)
    assert [len(load_data(folder, DataOptions(test_fraction=f)).test) for f in (0.01, 0.25, 0.99)] == [1, 5, 19]
    assert load_data(folder).fingerprint == load_data(folder, DataOptions(test_fraction=0.1)).fingerprint


def test_one_picture_is_too_few(save, folder):
    save("1.png")
    assert refusal(folder) == f"{folder}: expected at least two images, one to train on and one to hold out, found 1"


def test_links_are_followed_but_not_in_circles(save, folder, tmp_path):
    save("a/1.png", 10), save("b/2.png", 20)
    (folder / "a/up").symlink_to(folder)
    (folder / "a/other").symlink_to(folder / "b")
    (folder / "b/other").symlink_to(folder / "a")
    elsewhere = tmp_path / "elsewhere.png"
    Image.new("L", (4, 4), 30).save(elsewhere)
    (folder / "3.png").symlink_to(elsewhere)
    data = load_data(folder)
    # 3, a/1, a/other/2, b/2 and b/other/1
    assert sorted(levels(data.train) + levels(data.test)) == [10, 10, 20, 20, 30]


def test_a_pipe_is_not_waited_for(save, folder):
    save("1.png"), save("2.png")
    os.mkfifo(folder / "3.png")
    assert refusal(folder).splitlines()[1:] == [
        f"  {folder / '3.png'}: expected the name of a file, found a pipe, a device or a socket; name a file"
    ]
    (folder / "3.png").rename(folder / "3")
    assert len(load_data(folder).train) == 1


def test_a_folder_that_cannot_be_listed_is_an_error(save, folder, monkeypatch):
    def denied(_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    save("1.png")
    monkeypatch.setattr(os, "scandir", denied)
    assert refusal(folder) == f"{folder}: cannot be listed: Permission denied; check its permissions"


def test_a_folder_without_pictures_says_what_was_looked_for(folder):
    folder.mkdir()
    assert refusal(folder) == (
        f"{folder}: expected an .npz file with x_train and x_test, an .npy file, a .tfrecord file, an IDX file of images, or a "
        f"folder with MNIST's four IDX files (train-images-idx3-ubyte and so on), train.npy and test.npy, .amat files, "
        f".tfrecord files, or images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP), found an empty folder; "
        f"leave DATA out to use the embedded MNIST"
    )


def test_channels_are_one_if_every_picture_is_grey(save, folder):
    save("1.png", 10), save("2.png", 20, mode="LA"), save("3.png", mode="1"), save("4.png", 30 * 257, mode="I;16")
    assert load_data(folder).image_shape == (4, 4, 1)
    assert load_data(folder, DataOptions(channels=3)).image_shape == (4, 4, 3)
    save("5.png", (255, 0, 0), mode="RGB")
    data = load_data(folder)
    assert data.image_shape == (4, 4, 3)
    pixels = np.concatenate([data.train, data.test])[:, 0, 0].tolist()
    assert [255, 0, 0] in pixels
    assert [10, 10, 10] in pixels
    grey = load_data(folder, GREY)
    assert grey.image_shape == (4, 4, 1)
    assert 76 in levels(grey.train) + levels(grey.test)  # luma of red


def test_pictures_of_several_sizes_need_image_size(save, folder):
    save("1.png"), save("2.png"), save("3.png", size=(6, 4))
    assert refusal(folder) == (
        f"{folder}: expected images of one size, found 2 sizes (width x height): 4x4 (2), 6x4 (1); "
        f"pass --image-size to scale and crop them to one"
    )
    assert load_data(folder, DataOptions(image_size=(4, 6))).image_shape == (4, 6, 1)


def test_every_kind_of_picture_is_read_as_the_runtime_reads_it(save, folder):
    """EXIF, transparency, palettes, CMYK, 16 bits and animations: training and the runtime follow the same rules."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (6, 9), np.uint8)
    colour = rng.integers(0, 256, (9, 6, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    paths = [
        save("a.jpg", grey, exif=exif),
        save("b.png", colour),
        save("c.webp", colour[..., :3], lossless=True),
        save("d.png", grey.astype(np.uint16) * 250),
        folder / "e.png",
        folder / "f.jpg",
        folder / "g.webp",
    ]
    Image.fromarray(colour[..., :3]).quantize(8).save(paths[4], transparency=0)
    Image.fromarray(colour[..., :3]).convert("CMYK").save(paths[5])
    frames = [Image.fromarray(colour[..., :3]), Image.fromarray(colour[::-1, :, :3].copy())]
    frames[0].save(paths[6], save_all=True, append_images=frames[1:], lossless=True)
    for channels in (1, 3):
        expected = read_images(paths, (4, 5, channels), resize=True, grey=True)
        data = load_data(folder, DataOptions(image_size=(4, 5), channels=channels))
        test = held_out([path.name for path in paths], 0.1)
        np.testing.assert_array_equal(data.train, expected[~test])
        np.testing.assert_array_equal(data.test, expected[test])


@pytest.fixture
def damaged(save, folder):
    """A folder of 12 good images and 4 that cannot be read."""
    for level in range(12):
        save(f"{level:02}.png", level)
    cut = save("cut.jpg", np.random.default_rng(0).integers(0, 256, (4, 4), np.uint8))
    cut.write_bytes(cut.read_bytes()[:-20])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("a letter")
    (folder / "nowhere.png").symlink_to(folder / "gone.png")
    return folder


REASONS = {
    "cut.jpg": "cannot be read as an image: image file is truncated",
    "empty.png": "cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found nothing",
    "text.png": "cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found text",
    "nowhere.png": "cannot be read as an image: [Errno 2] No such file or directory: '{folder}/nowhere.png'",
}


def test_all_pictures_that_cannot_be_read_are_listed(damaged):
    head, *lines = refusal(damaged).splitlines()
    assert head == (
        f"{damaged}: 4 of 16 images cannot be read; fix or remove them, or pass --skip-bad to train without them:"
    )
    lines = [line.partition(" (")[0] for line in lines]  # the rest depends on the decoder
    assert sorted(lines) == sorted(f"  {name}: {why.format(folder=damaged)}" for name, why in REASONS.items())


def test_skip_bad_keeps_the_split(damaged, caplog):
    with caplog.at_level(logging.WARNING, "cvae_train"):
        data = load_data(damaged, DataOptions(skip_bad=True, test_fraction=0.25))
    assert caplog.messages[0].startswith(f"{damaged}: 4 of 16 images cannot be read and are left out:\n  ")
    names = sorted(path.name for path in damaged.iterdir())
    test = [name for name, chosen in zip(names, held_out(names, 0.25), strict=True) if chosen and name[0] in "01"]
    assert levels(data.test) == [int(name[:2]) for name in test]
    assert sorted(levels(data.train) + levels(data.test)) == list(range(12))


def test_of_many_bad_pictures_ten_are_named(folder):
    folder.mkdir()
    for number in range(13):
        (folder / f"{number}.png").write_bytes(b"")
    for options in (
        DataOptions(),
        DataOptions(skip_bad=True),
        DataOptions((4, 4), 1),
        DataOptions((4, 4), 1, None, True),
    ):
        lines = refusal(folder, options).splitlines()
        assert "13 of 13 images cannot be read" in lines[0]
        assert (len(lines), lines[-1]) == (12, "  and 3 more")


def test_a_picture_that_unpacks_to_gigabytes_is_bad(save, folder, monkeypatch):
    save("1.png"), save("2.png"), save("3.png", size=(5, 4))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    why = "3.png: expected at most 16 pixels, found 5x4 (width x height); make the image smaller"
    assert refusal(folder).splitlines()[1:] == [f"  {why}"]


def test_a_turn_that_stands_behind_the_pixels_is_found(save, folder):
    save("1.png", size=(6, 4)), save("2.png", size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save("3.png", size=(6, 4), exif=exif).read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    tail = data.index(b"IEND") - 4
    (folder / "3.png").write_bytes(data[:start] + data[end:tail] + data[start:end] + data[tail:])
    assert refusal(folder).splitlines()[1:] == [
        (
            "  3.png: expected 6x4 pixels (width x height) as in its header, found 4x6; "
            "pass --image-size to scale and crop it"
        )
    ]


def test_the_test_part_is_read_without_the_training_pictures(save, folder):
    for number in range(3):
        save(f"train/{number}.png", number), save(f"test/{number}.png", 100 + number)
    whole = load_data(folder)
    for path in (folder / "train").iterdir():
        path.unlink()
    np.testing.assert_array_equal(load_test(folder, DataOptions(), (4, 4, 1)), whole.test)
    assert "train images: expected at least one image" in refusal(folder)


def test_memory_does_not_change_the_pixels(save, folder, tmp_path):
    for number in range(10):
        save(f"{number}.png", np.random.default_rng(number).integers(0, 256, (4, 4), np.uint8))
    plain, mapped, mixed = (load_data(folder, memory_limit=limit, spill=tmp_path) for limit in (1 << 20, 0, 16))
    assert [type(part) for part in (mapped.train, mapped.test)] == [np.memmap] * 2
    assert [type(part) for part in (mixed.train, mixed.test)] == [np.memmap, np.ndarray]  # an image has 16 pixels
    assert {data.fingerprint for data in (plain, mapped, mixed)} == {plain.fingerprint}
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


@given(st.lists(st.sampled_from(["good", "bad"]), min_size=2, max_size=12), st.floats(0.1, 0.9))
def test_whatever_is_bad_the_good_pictures_keep_their_parts(tmp_path_factory, kinds, fraction):
    folder = tmp_path_factory.mktemp("set")
    names = [f"{number:02}.png" for number in range(len(kinds))]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        Image.new("L", (2, 2), number).save(folder / name) if kind == "good" else (folder / name).write_bytes(b"x")
    test = held_out(names, fraction)
    parts = [[n for n, kind in enumerate(kinds) if kind == "good" and test[n] == part] for part in (False, True)]
    options = DataOptions(test_fraction=fraction, skip_bad=True)
    if all(parts):
        data = load_data(folder, options, quiet=True)
        assert [levels(data.train), levels(data.test)] == parts
    else:
        with pytest.raises(InputError, match="cannot be read|expected at least one (image|picture)"):
            load_data(folder, options, quiet=True)


def test_progress_is_for_terminals(save, folder, monkeypatch, capsys):
    for number in range(20):
        save(f"{number}.png")
    load_data(folder)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("cvae_train._data.encoded_images.PROGRESS_DELAY", 0.0)
    load_data(folder, quiet=True)
    assert capsys.readouterr().err == ""
    load_data(folder)
    assert "reading images" in capsys.readouterr().err


def test_class_folders_are_labels(save, folder):
    for level in range(20):
        save(f"{('10', '9', 'b')[level % 3]}/x/{level}.png", level)
    data = load_data(folder)
    assert data.labels.names == ("9", "10", "b")
    order = [1, 0, 2]
    assert data.labels.train.tolist() == [order[level % 3] for level in levels(data.train)]
    assert data.labels.test.tolist() == [order[level % 3] for level in levels(data.test)]


def test_class_folders_of_parts(save, folder):
    save("all/train/cats/1.png", 10), save("all/train/dogs/2.png", 20), save("all/train/dogs/3.png", 30)
    save("all/test/dogs/4.png", 40), save("all/val/dogs/5.png", 50), save("all/val/cats/6.png", 60)
    data = load_data(folder)
    labels = data.labels
    assert (levels(data.train), levels(data.test), levels(data.validation)) == ([10, 20, 30], [40], [60, 50])
    assert labels.names == ("cats", "dogs")
    assert [part.tolist() for part in (labels.train, labels.test, labels.validation)] == [[0, 1, 1], [1], [0, 1]]


def test_images_that_are_left_out_have_no_labels(save, folder):
    for level in range(12):
        save(f"{'ab'[level % 2]}/{level:02d}.png", level)
    (folder / "a/04.png").write_bytes(b"text")
    (folder / "b/07.png").write_bytes(b"text")
    data = load_data(folder, DataOptions(skip_bad=True, test_fraction=0.3), quiet=True)
    assert data.labels.train.tolist() == [level % 2 for level in levels(data.train)]
    assert data.labels.test.tolist() == [level % 2 for level in levels(data.test)]
    assert sorted(levels(data.train) + levels(data.test)) == [0, 1, 2, 3, 5, 6, 8, 9, 10, 11]


def test_images_without_class_folders_have_no_labels(save, folder):
    save("a/1.png"), save("b/2.png"), save("3.png")
    assert load_data(folder).labels is None
    save("c/train/1.png"), save("c/test/2.png")
    assert load_data(folder).labels is None


def test_folders_without_training_images_are_no_classes(save, folder):
    save("train/good/1.png"), save("test/good/2.png"), save("test/bent/3.png"), save("test/torn/4.png")
    data = load_data(folder)
    assert data.labels is None
    assert data.notes == (
        "train/ is trained on, test/ is the test set",
        "the folders are not read as classes, since bent, torn have no training images",
    )

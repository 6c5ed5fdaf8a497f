"""Sources of images, read in parts."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import cvae_runtime as cvae
from cvae_runtime._images import arrays as _arrays
from cvae_runtime._images.source import open_images

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, *SHAPE), np.uint8)


def save_npy(folder):
    np.save(folder / "images.npy", IMAGES)
    return folder / "images.npy"


def save_npy_without_channels(folder):
    np.save(folder / "images.npy", IMAGES[..., 0])
    return folder / "images.npy"


def save_floats(folder):
    np.save(folder / "images.npy", (IMAGES / 255).astype(np.float32))
    return folder / "images.npy"


def save_folder(folder):
    (folder / "images/deep").mkdir(parents=True)
    for index, image in enumerate(IMAGES):
        Image.fromarray(image[..., 0]).save(folder / f"images/{'deep' if index < 15 else 'e'}{index:02d}.png")
    return folder / "images"


SOURCES = [save_npy, save_npy_without_channels, save_floats, save_folder]


@pytest.fixture(scope="module", params=SOURCES, ids=lambda save: save.__name__)
def source(request, tmp_path_factory):
    return open_images(request.param(tmp_path_factory.mktemp("source")), SHAPE)


@settings(max_examples=20)
@given(st.data())
def test_any_part_is_the_images_between(source, data):
    start = data.draw(st.integers(0, 29))
    stop = data.draw(st.integers(start + 1, 30))
    found = source.read(start, stop)
    assert (source.count, found.dtype) == (30, np.uint8)
    np.testing.assert_array_equal(found, IMAGES[start:stop])


@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images.gz"])
def test_idx_files_are_detected_by_content(name, tmp_path, write_idx):
    source = open_images(write_idx(tmp_path / name, IMAGES[..., 0]), SHAPE)
    assert (source.count, source.names) == (30, None)
    np.testing.assert_array_equal(source.read(3, 20), IMAGES[3:20])


def test_one_picture_is_one_image(tmp_path):
    Image.fromarray(IMAGES[0, ..., 0]).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", IMAGES[0, ..., 0])
    for name in ("a.png", "a.npy"):
        source = open_images(tmp_path / name, SHAPE)
        assert (source.count, source.names) == (1, None)
        np.testing.assert_array_equal(source.read(0, 1), IMAGES[:1])


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_an_array_are_flat_images(tmp_path, dtype, order):
    flat = IMAGES.reshape(30, 16) if dtype == np.uint8 else IMAGES.reshape(30, 16) / 255
    np.save(tmp_path / "flat.npy", np.asarray(flat, order=order))
    for resize in (False, True):
        source = open_images(tmp_path / "flat.npy", SHAPE, resize=resize)
        assert source.count == 30
        np.testing.assert_array_equal(source.read(4, 30), IMAGES[4:])
        np.testing.assert_array_equal(cvae.read_images([tmp_path / "flat.npy"], SHAPE, resize=resize), IMAGES)


@pytest.mark.parametrize("shape", [(400, 784), (5, 4), (4, 5), (30, 48)])
def test_other_2d_arrays_are_an_error(tmp_path, shape, refuses):
    path = tmp_path / "a.npy"
    array = np.zeros(shape, np.uint8)
    np.save(path, array)
    message = (
        f"{path}: expected an array of shape (4, 4), one image, or (N, 16), flat images, found shape {shape}; "
        f"for one image of another size use array[None], for flat ones array.reshape(-1, H, W)"
    )
    for read in (open_images, lambda path, *how, **options: cvae.read_images([path], *how, **options)):
        with refuses(cvae.InputError, message):
            read(path, SHAPE, resize=True)
    np.save(path, array[None])
    assert open_images(path, SHAPE, resize=True).count == 1


def test_flat_images_of_colours(tmp_path):
    colours = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), np.uint8)
    np.save(tmp_path / "flat.npy", colours.reshape(5, 48))
    np.testing.assert_array_equal(open_images(tmp_path / "flat.npy", (4, 4, 3)).read(0, 5), colours)


def test_content_decides_what_a_file_is(tmp_path, write_idx):
    np.save(tmp_path / "a.npy", IMAGES)
    (tmp_path / "a.npy").rename(tmp_path / "array")
    write_idx(tmp_path / "b.gz", IMAGES[..., 0]).rename(tmp_path / "digits.bin")
    Image.fromarray(IMAGES[0, ..., 0]).save(tmp_path / "picture.tmp", "TIFF")
    for name, count in (("array", 30), ("digits.bin", 30), ("picture.tmp", 1)):
        np.testing.assert_array_equal(open_images(tmp_path / name, SHAPE).read(0, count), IMAGES[:count])


def test_names_are_paths_in_the_folder(tmp_path):
    source = open_images(save_folder(tmp_path), SHAPE)
    assert source.names == [f"{'deep' if index < 15 else 'e'}{index:02d}.png" for index in range(30)]


@pytest.mark.skipif(os.name != "posix", reason="names of any bytes are POSIX's")
def test_a_name_of_invalid_utf_8_becomes_text(tmp_path):
    try:
        Image.fromarray(IMAGES[0, ..., 0]).save(tmp_path / os.fsdecode(b"\xff.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    source = open_images(tmp_path, SHAPE)
    assert source.names == ["\N{REPLACEMENT CHARACTER}.png"]
    np.testing.assert_array_equal(source.read(0, 1), IMAGES[:1])


@pytest.mark.parametrize("kind", ["npy", "idx", "folder", "picture"])
def test_images_are_fitted_as_by_read_images(kind, tmp_path, write_idx):
    large = np.random.default_rng(1).integers(0, 256, (3, 9, 8), np.uint8)
    paths = {"npy": tmp_path / "a.npy", "idx": tmp_path / "a.idx", "folder": tmp_path, "picture": tmp_path / "0.png"}
    np.save(paths["npy"], large)
    write_idx(paths["idx"], large)
    for index, image in enumerate(large):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    expected = cvae.read_images([paths["npy"]], SHAPE, resize=True, invert=True)
    source = open_images(paths[kind], SHAPE, resize=True, invert=True)
    np.testing.assert_array_equal(source.read(0, source.count), expected[: source.count])


def test_colour_needs_grey(tmp_path, refuses):
    np.save(tmp_path / "a.npy", IMAGES.repeat(3, axis=3))
    message = f"{tmp_path / 'a.npy'}: the model takes grey images, found colour; pass --grey, in Python read_images(..., grey=True), to turn it grey"
    with refuses(cvae.InputError, message):
        open_images(tmp_path / "a.npy", SHAPE).read(0, 1)
    np.testing.assert_array_equal(open_images(tmp_path / "a.npy", SHAPE, grey=True).read(2, 9), IMAGES[2:9])


def test_large_images_are_read_in_spans(tmp_path, monkeypatch):
    large = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (200, 64, 64))  # 3 MiB
    large[:] = np.linspace(0, 1, 200, dtype=np.float32)[:, np.newaxis, np.newaxis]
    large.flush()
    source = open_images(tmp_path / "a.npy", SHAPE, resize=True)
    source.read(0, 1)  # imports Pillow
    monkeypatch.setattr(_arrays, "_SPAN_BYTES", 1 << 16)
    tracemalloc.start()
    try:
        found = source.read(0, 200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found[:, 0, 0, 0], np.rint(np.linspace(0, 1, 200, dtype=np.float32) * 255))
    assert peak < 1 << 19


def test_other_files_are_an_error_with_their_kind(tmp_path, write_idx, refuses, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_idx(tmp_path / "labels.gz", np.zeros(7, np.uint8))
    np.save("none.npy", IMAGES[:0])
    (tmp_path / "text.txt").write_text("hello")
    np.savez("set.npz", x_test=IMAGES, y_test=IMAGES[:, 0, 0, 0])
    (tmp_path / "rows.csv").write_text("1,2,3\n4,5,6\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.txt").write_text("hello")
    expected = "expected a folder of images, an image, an .npy or an IDX file, found"
    messages = {
        "set.npz": f"set.npz: {expected} NPZ; save one of its arrays (x_test, y_test) with numpy.save",
        "rows.csv": f"rows.csv: {expected} CSV; save the pixels of its rows with numpy.save, as an array uint8 (N, H, W)",
        "folder": "folder: expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP) in the folder, found none; "
        "skipped 1 file: 1 text (a.txt)",
        "empty": "empty: expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP) in the folder, found none",
        "nothing": "nothing: expected a folder of images, an image, an .npy or an IDX file, found nothing; check the name",
        "labels.gz": "labels.gz: not an IDX file of 3-dimensional bytes: expected the magic number 0x00000803, "
        "found 0x00000801; check that the file is what its name says",
        "none.npy": "none.npy: expected at least one image, found an empty set of shape (0, 4, 4, 1)",
        "text.txt": "text.txt: expected a folder of images, an image, an .npy or an IDX file, found text; "
        "save the images as PNG files",
    }
    for name, message in messages.items():
        with refuses(cvae.InputError, message):
            open_images(type(tmp_path)(name), SHAPE).read(0, 1)

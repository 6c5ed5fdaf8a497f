"""Output of images: format by name, errors before any work, layout of pictures."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images
from cvae_runtime._commands.output import Output


def output(name, file_format=None, *, separate=False, overwrite=False, dtype=None):
    return Output(str(name), file_format, separate=separate, overwrite=overwrite, dtype=dtype)


def levels(*values, size=4, channels=1):
    """One uniform image for each value."""
    return np.stack([np.full((size, size, channels), value, np.uint8) for value in values])


def cells(data, size, columns):
    """Centre of each cell of a grid that is enlarged twice, row by row."""
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    step = 2 * size + 1
    assert (pixels.shape[1] - 1) % step == (pixels.shape[0] - 1) % step == 0
    assert (pixels.shape[1] - 1) // step == columns
    return pixels[1 + size :: step, 1 + size :: step].tolist()


@pytest.mark.parametrize(
    ("name", "file_format", "separate", "expected"),
    [
        ("a.png", None, False, "png"),
        ("a.GIF", None, False, "gif"),
        ("dir.x/a.npy", None, False, "npy"),
        ("a.npz", None, False, "npz"),
        ("a", None, False, "png"),
        ("-", None, False, "png"),
        ("-", "npy", False, "npy"),
        ("a.png", "npz", False, "npz"),
        ("a.jpg", "gif", False, "gif"),
        ("folder.v2", None, True, "png"),
        ("folder", "npy", True, "npy"),
    ],
)
def test_the_format_is_explicit_or_the_suffix(name, file_format, separate, expected):
    made = output(name, file_format, separate=separate)
    assert (made.format, made.is_array) == (expected, expected in ("npy", "npz"))


@pytest.mark.parametrize("name", ["a.jpg", "samples.pngg", "dir/a.v2"])
def test_an_unknown_suffix_is_an_error(name, refuses):
    with refuses(cvae.InputError, f"{name}: expected a name that ends in .png, .gif, .npy, .npz; or pass --format"):
        output(name)


@pytest.mark.parametrize("file_format", ["png", "gif"])
def test_a_dtype_for_pictures_is_an_error(file_format, refuses):
    with refuses(cvae.InputError, f"--dtype is for npy and npz; a {file_format} holds grey levels"):
        output(f"a.{file_format}", dtype="uint8")


@pytest.mark.parametrize(("name", "file_format"), [("-", None), ("-", "npy"), ("folder", "gif"), ("folder", "npz")])
def test_separate_is_for_files_in_a_folder(name, file_format, refuses):
    with refuses(cvae.InputError, "--separate writes png or npy files into a folder; name one with --output"):
        output(name, file_format, separate=True)


def test_too_many_images_for_a_picture_are_an_error(tmp_path, refuses):
    output(tmp_path / "a.png").check(10_000)
    for file_format in ("png", "gif"):
        message = f"10,001 images are too many for one {file_format} (at most 10,000); pass --format npy or --separate"
        with refuses(cvae.InputError, message):
            output(tmp_path / f"a.{file_format}").check(10_001)
    output(tmp_path / "a.npy").check(10_001)
    output(tmp_path / "folder", separate=True).check(10_001)


def test_a_terminal_gets_no_binary_data(monkeypatch, refuses):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    message = "refusing to write binary data to a terminal; redirect it, or name a file with -o"
    with refuses(cvae.InputError, message):
        output("-").check(1)


def test_only_a_folder_with_images_is_an_error(tmp_path, refuses):
    folder = tmp_path / "images"
    output(folder, separate=True).check(1)
    folder.mkdir()
    (folder / "README").write_text("mine")
    output(folder, separate=True).check(1)
    (folder / "image_000000.png").write_bytes(b"old")
    with refuses(cvae.TargetExistsError, f"{folder} exists already; choose another name or pass --overwrite"):
        output(folder, separate=True).check(1)
    output(folder, separate=True, overwrite=True).check(1)
    (folder / "image_000001.png").mkdir()
    message = f"{folder / 'image_000001.png'}: expected the name of a file, found a folder; choose another name"
    with refuses(cvae.TargetExistsError, message):
        output(folder, separate=True, overwrite=True).check(1)


def test_a_folder_is_not_overwritten_by_a_file(tmp_path, refuses):
    (tmp_path / "a.png").mkdir()
    message = f"{tmp_path / 'a.png'}: expected the name of a file, found a folder; choose another name"
    with refuses(cvae.TargetExistsError, message):
        output(tmp_path / "a.png", overwrite=True).check(1)


def test_a_file_instead_of_a_folder_is_an_error(tmp_path, refuses):
    (tmp_path / "a").write_text("mine")
    with refuses(cvae.InputError, f"{tmp_path / 'a'}: expected a folder for --separate, found a file"):
        output(tmp_path / "a", separate=True).check(1)


@pytest.mark.parametrize(("size", "scale"), [(64, 2), (65, 1)])
def test_large_images_are_not_enlarged(size, scale, tmp_path):
    output(tmp_path / "a.png").write(np.zeros((1, size, size, 1), np.float32), {})
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (size * scale + 2, size * scale + 2)


def test_a_gif_has_a_frame_for_each_image(tmp_path):
    output(tmp_path / "a.gif").write(levels(10, 20, 30) / np.float32(255), {})
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size, image.info["duration"]) == (3, (8, 8), 200)


def test_arrays_are_floats_or_levels(tmp_path):
    images = np.random.default_rng(0).random((3, 4, 4, 1), np.float32)
    more = {"images": images, "seed": np.array(5)}
    for dtype, expected in ((None, images), ("float32", images), ("uint8", cvae.to_uint8(images))):
        for file_format in ("npy", "npz"):
            output(tmp_path / f"a.{file_format}", dtype=dtype).write(images, more)
        found = cvae.images.read_npy(tmp_path / "a.npy")
        archived, seed = cvae.images.read_npz(tmp_path / "a.npz", ["images", "seed"])
        assert found.dtype == archived.dtype == expected.dtype
        assert (found == expected).all()
        assert (archived == expected).all()
        assert (seed.shape, seed.item()) == ((), 5)


def test_separate_files_are_named_by_index(tmp_path):
    images = levels(10, 20) / np.float32(255)
    folder = tmp_path / "new" / "images"
    output(folder, separate=True).write(images, {}, first=40)
    assert sorted(path.name for path in folder.iterdir()) == ["image_000040.png", "image_000041.png"]
    assert (np.asarray(Image.open(folder / "image_000041.png")) == 20).all()
    output(folder, "npy", separate=True).write(images, {})
    assert (cvae.images.read_npy(folder / "image_000001.npy") == images[1]).all()


def test_originals_are_above_reconstructions(tmp_path):
    originals, reconstructions = levels(10, 20, 30, 40, 50), levels(110, 120, 130, 140, 150)
    output(tmp_path / "a.png").write_pairs(originals, reconstructions)
    assert cells((tmp_path / "a.png").read_bytes(), 4, 4) == [
        [10, 20, 30, 40],
        [110, 120, 130, 140],
        [50, 128, 128, 128],
        [150, 128, 128, 128],
    ]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (8, 4), (9, 5)])
def test_rows_of_pairs_make_the_picture_about_square(count, columns, tmp_path):
    output(tmp_path / "a.png").write_pairs(levels(*range(count)), levels(*range(count)))
    rows = cells((tmp_path / "a.png").read_bytes(), 4, columns)
    assert [level for row in rows[::2] for level in row][:count] == list(range(count))
    assert rows[::2] == rows[1::2]


def test_pairs_as_frames_and_as_files(tmp_path):
    originals, reconstructions = levels(10, 20), levels(110, 120)
    output(tmp_path / "a.gif").write_pairs(originals, reconstructions)
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size) == (2, (10, 19))
    output(tmp_path / "pairs", separate=True).write_pairs(originals, reconstructions)
    files = sorted((tmp_path / "pairs").iterdir())
    assert [path.name for path in files] == ["image_000000.png", "image_000001.png"]
    assert [cells(path.read_bytes(), 4, 1) for path in files] == [[[10], [110]], [[20], [120]]]


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path, refuses):
    (tmp_path / "a").write_text("mine")
    folder = tmp_path / "a" / "b"
    with refuses(cvae.InputError, f"cannot write {folder}: Not a directory; check space and permissions"):
        output(folder, separate=True).write(np.zeros((1, 4, 4, 1), np.float32), {})

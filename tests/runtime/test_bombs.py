"""Dangerous files: larger than memory when unpacked, pipes and devices, and formats that start programs."""

import gzip
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.files
import cvae_runtime.images
from cvae_runtime._system import memory as _memory

GIB = 2**30


@pytest.fixture
def little_memory(monkeypatch):
    """Return a function that sets the available memory, in bytes."""

    def limit(size):
        monkeypatch.setattr(_memory, "available_memory", lambda: size)

    return limit


def test_an_npz_larger_than_memory(tmp_path, little_memory, refuses):
    path = tmp_path / "a.npz"
    arrays = {"x": np.zeros(2 << 20, np.uint8), "y": np.zeros(1 << 20, np.uint8)}
    path.write_bytes(cvae.images.npz_bytes(arrays, compress=True))
    assert path.stat().st_size < 10_000
    little_memory(3 << 20)
    message = f"{path}: takes 0.0 GiB of memory, and 0.0 GiB are available; divide it into smaller files"
    with refuses(cvae.InputError, message):
        cvae.images.read_npz(path, ["x", "y"])
    assert [array.shape for array in cvae.images.read_npz(path, ["y"])] == [(1 << 20,)]


def test_an_npy_larger_than_memory_can_be_mapped(tmp_path, little_memory, refuses):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (5 * GIB,)})
        file.truncate(file.tell() + 5 * GIB)  # sparse, so it takes no space
    little_memory(2 * GIB)
    message = f"{path}: takes 5.0 GiB of memory, and 2.0 GiB are available; divide it into smaller files"
    with refuses(cvae.InputError, message):
        cvae.images.read_npy(path)
    assert cvae.images.read_npy(path, mapped=True).shape == (5 * GIB,)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_larger_than_memory(suffix, tmp_path, little_memory):
    path = tmp_path / f"a.idx{suffix}"
    data = struct.pack(">IIII", 0x803, 40, 1 << 10, 1 << 10) + bytes(40 << 20)
    path.write_bytes(gzip.compress(data) if suffix else data)
    little_memory(40 << 20)
    with pytest.raises(cvae.InputError, match=r"takes 0\.0 GiB of memory, and 0\.0 GiB are available"):
        cvae.images.read_idx(path, 3)
    little_memory(80 << 20)
    assert cvae.images.read_idx(path, 3).shape == (40, 1 << 10, 1 << 10)


def test_postscript_does_not_start_ghostscript(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(path, "EPS")
    with pytest.raises(
        cvae.InputError,
        match=r"a\.png: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found PostScript",
    ):
        cvae.read_images([path], (8, 8, 1))


@pytest.mark.parametrize("file_format", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_the_content_decides_the_format(file_format, tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (8, 8), 200).save(path, file_format)
    assert abs(int(cvae.read_images([path], (8, 8, 1), grey=True)[0, 0, 0, 0]) - 200) <= 2


def test_a_multi_picture_file_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    frames = [Image.new("L", (8, 8), value) for value in (200, 100)]
    frames[0].save(path, "MPO", save_all=True, append_images=frames[1:])
    assert abs(int(cvae.read_images([path], (8, 8, 1))[0, 0, 0, 0]) - 200) <= 2


def special(path):
    return f"{path}: expected the name of a file, found a pipe, a device or a socket; name a file"


@pytest.fixture(params=["pipe", "device", "link to a device"])
def special_file(request, tmp_path):
    if sys.platform == "win32":
        pytest.skip("Windows has no such files")
    path = tmp_path / "a.npy"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    return path


def test_special_files_are_not_read(special_file, refuses):
    readers = (
        cvae.images.read_npy,
        lambda path: cvae.images.read_npy(path, mapped=True),
        lambda path: cvae.images.read_npz(path, ["x"]),
        lambda path: cvae.images.read_idx(path, 3),
        lambda path: cvae.images.read_image(path, str(path)),
        lambda path: cvae.images.encoded_shape(path, str(path)),
        cvae.images.file_kind,
    )
    for read in readers:
        with refuses(cvae.InputError, special(special_file)):
            read(special_file)


def test_special_files_are_not_replaced(special_file, refuses):
    # As root, `-o /dev/null --overwrite` would replace the device by a file.
    with refuses(cvae.InputError, special(special_file)):
        cvae.files.refuse_existing(special_file, overwrite=True)
    with refuses(cvae.InputError, special(special_file)):
        cvae.files.write_file(special_file, b"1")
    with refuses(cvae.InputError, special(special_file)), cvae.files.new_folder(special_file):
        pytest.fail("the block must not begin")
    assert not special_file.is_file()


def test_regular_and_missing_files_are_not_special(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "none", "none/none", "a" * 5000, "a\0b", "."):
        cvae.files.refuse_special(tmp_path / name)

"""Find the images below a folder."""

import os

import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a/c.JPG", "a/d/e.webp", "B.bmp", ".hidden.png", "a/.cache/1.png", "notes.txt", "f.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_images_are_sorted_and_other_files_named(folder):
    found = cvae.images.find_images(folder)
    assert found.names == ["B.bmp", "a/c.JPG", "a/d/e.webp", "b.png", "f.jpeg"]
    assert found.folders == ["a/", "a/d/"]
    assert found.skipped == {".hidden.png": "hidden", "a/.cache/": "hidden", "notes.txt": "empty"}


def test_content_makes_an_image_of_any_suffix(folder):
    for name, file_format in {"1.tif": "TIFF", "2.dat": "PNG", "3": "GIF", "a/4.heic": "JPEG"}.items():
        Image.new("L", (2, 2)).save(folder / name, file_format)
    (folder / "5.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0")
    found = cvae.images.find_images(folder)
    assert {"1.tif", "2.dat", "3", "a/4.heic"} < set(found.names)
    assert found.skipped["5.eps"] == "PostScript"


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
def test_links_are_followed_without_cycles(folder):
    (folder / "a/d/up").symlink_to(folder)
    (folder / "lost.png").symlink_to(folder / "nowhere")
    (folder / "lost.txt").symlink_to(folder / "nowhere")
    for name in ("pipe.png", "pipe.txt"):
        os.mkfifo(folder / name)
    found = cvae.images.find_images(folder)
    assert found.names == ["B.bmp", "a/c.JPG", "a/d/e.webp", "b.png", "f.jpeg", "lost.png", "pipe.png"]
    assert found.skipped.items() >= {"lost.txt": "broken link", "pipe.txt": "no file"}.items()


def test_skipped_files_are_counted_by_kind():
    skipped = {f"{number}.heic": "AVIF or HEIC" for number in range(1200)} | {"a\x1b[2Jb": "text"}
    assert cvae.images.describe_skipped(skipped) == (
        "skipped 1,201 files: 1,200 AVIF or HEIC (0.heic, 1.heic, 10.heic, ...), 1 text (a\\x1b[2Jb)"
    )


def test_a_missing_folder_is_an_error(folder, refuses):
    message = f"{folder / 'none'}: cannot be listed: No such file or directory; check permissions"
    with refuses(cvae.InputError, message):
        cvae.images.find_images(folder / "none")

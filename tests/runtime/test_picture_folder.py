"""Which pictures lie below a folder."""

import os

import pytest

import cvae_runtime as cvae


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a/c.JPG", "a/d/e.webp", "B.bmp", ".hidden.png", "a/.cache/1.png", "notes.txt", "f.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_pictures_are_found_by_their_names_in_the_order_of_their_paths(folder):
    names = ["B.bmp", "a/c.JPG", "a/d/e.webp", "b.png", "f.jpeg"]
    assert cvae.find_pictures(folder) == names
    assert cvae.find_pictures(folder, "set/") == [f"set/{name}" for name in names]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
def test_links_are_followed_but_not_in_circles_and_pipes_are_left_out(folder):
    (folder / "a/d/up").symlink_to(folder)
    (folder / "lost.png").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.png")
    assert cvae.find_pictures(folder) == ["B.bmp", "a/c.JPG", "a/d/e.webp", "b.png", "f.jpeg", "lost.png"]


def test_a_folder_that_is_none_is_refused(folder, refuses):
    message = f"{folder / 'none'}: cannot be listed: No such file or directory; check permissions"
    with refuses(cvae.InputError, message):
        cvae.find_pictures(folder / "none")

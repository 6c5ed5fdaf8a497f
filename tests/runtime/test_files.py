"""Writing whole or not at all: what is killed or fails leaves the target as it was."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

import cvae_runtime as cvae
from cvae_runtime import _files
from cvae_runtime._exchange import exchange


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_whole(tmp_path):
    target = tmp_path / "a.bin"
    for data in (b"first", b"", b"second, longer"):
        cvae.write_file(target, data)
        assert target.read_bytes() == data
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_has_the_mode_that_the_umask_gives(tmp_path):
    old = os.umask(0o027)
    try:
        cvae.write_file(tmp_path / "a.bin", b"data")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(error, tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail(_descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((cvae.InputError, KeyboardInterrupt)) as caught:
        cvae.write_file(target, b"new")
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {target}: No space left on device; check space and permissions"
    else:
        assert caught.value is error
    assert (names(tmp_path), target.read_bytes()) == (["a.bin"], b"old")


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path, refuses):
    target = tmp_path / "none" / "a.bin"
    with refuses(cvae.InputError, f"cannot write {target}: No such file or directory; check space and permissions"):
        cvae.write_file(target, b"data")


def test_a_name_that_is_a_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for target in (tmp_path / "folder", Path()):
        with pytest.raises(cvae.InputError, match=f"^cannot write {target}: "):
            cvae.write_file(target, b"data")
    assert names(tmp_path) == ["folder"]


def test_an_existing_target_is_refused_unless_it_may_be_overwritten(tmp_path, refuses):
    target = tmp_path / "a.bin"
    cvae.refuse_existing(target, overwrite=False)
    target.write_bytes(b"old")
    cvae.refuse_existing(target, overwrite=True)
    with refuses(cvae.TargetExistsError, f"{target} exists already; choose another name or say --overwrite"):
        cvae.refuse_existing(target, overwrite=False)
    with refuses(cvae.TargetExistsError, f"{target} exists already; choose another name or say --resume"):
        cvae.refuse_existing(target, overwrite=False, remedy="--resume")


def test_a_dangling_link_exists(tmp_path):
    target = tmp_path / "link"
    target.symlink_to(tmp_path / "none")
    with pytest.raises(cvae.TargetExistsError, match="link exists already"):
        cvae.refuse_existing(target, overwrite=False)


def test_a_target_in_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch, refuses):
    target = tmp_path / "none" / "a.bin"
    message = f"cannot write {target}: the folder {tmp_path / 'none'} does not exist; create it first"
    with refuses(cvae.InputError, message):
        cvae.refuse_existing(target, overwrite=True)
    monkeypatch.chdir(tmp_path)
    cvae.refuse_existing(Path("a.bin"), overwrite=False)  # a bare name is one in the working folder


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "bundle"
    with cvae.new_folder(target) as temporary:
        (temporary / "a").write_text("1")
        assert (temporary.parent, target.exists()) == (tmp_path, False)
        assert temporary.name.startswith(".bundle.")
    assert (names(tmp_path), names(target)) == (["bundle"], ["a"])


def test_a_folder_may_hold_folders(tmp_path):
    with cvae.new_folder(tmp_path / "run") as temporary:
        (temporary / "images").mkdir()
        (temporary / "images" / "a").write_text("1")
    assert (tmp_path / "run" / "images" / "a").read_text() == "1"


@pytest.mark.parametrize("name", ["", "..", "sub/.."])
def test_a_folder_without_a_name_of_its_own_is_refused(name, tmp_path, monkeypatch, refuses):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    message = f"cannot write {Path(name)}: expected a name, found the path of a folder that is in use"
    with refuses(cvae.InputError, message), cvae.new_folder(Path(name)):
        pytest.fail("the block must not begin")
    assert names(tmp_path) == ["sub"]


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("old", ["folder", "file", "link"])
def test_a_folder_takes_the_place_of_what_is_there(old, steps, tmp_path, monkeypatch):
    if steps == 2:  # where the system cannot exchange names
        monkeypatch.setattr(_files, "exchange", lambda *_: False)
    target, elsewhere = tmp_path / "bundle", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    if old == "folder":
        target.mkdir()
        (target / "stale").write_text("old")
    elif old == "file":
        target.write_text("old")
    else:
        target.symlink_to(elsewhere)
    with cvae.new_folder(target) as temporary:
        (temporary / "a").write_text("1")
    assert names(tmp_path) == ["bundle", "elsewhere"]
    assert (names(target), target.is_symlink(), names(elsewhere)) == (["a"], False, ["kept"])


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_a_block_that_fails_leaves_everything_as_it_was(there, error, tmp_path):
    target = tmp_path / "bundle"
    if there:
        target.mkdir()
        (target / "old").write_text("old")

    def fill():
        with cvae.new_folder(target) as temporary:
            (temporary / "a").write_text("1")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert names(tmp_path) == (["bundle"] if there else [])
    assert not there or names(target) == ["old"]


def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch, refuses):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename

    def fail(self, other):
        if other == target and (self / "new").exists():
            raise OSError(5, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.setattr(_files, "exchange", lambda *_: False)
    message = f"cannot write {target}: Input/output error; check space and permissions"
    with refuses(cvae.InputError, message), cvae.new_folder(target) as temporary:
        (temporary / "new").write_text("new")
    assert (names(tmp_path), names(target)) == (["bundle"], ["old"])


def test_a_folder_in_a_folder_that_is_not_there_is_refused(tmp_path, refuses):
    target = tmp_path / "none" / "bundle"
    message = f"cannot write {target}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), cvae.new_folder(target):
        pytest.fail("the block must not begin")


def test_what_came_meanwhile_is_not_replaced_unasked(tmp_path, refuses):
    target = tmp_path / "bundle"
    message = f"{target} was made by another process meanwhile; choose another name"
    with refuses(cvae.TargetExistsError, message), cvae.new_folder(target, overwrite=False) as temporary:
        (temporary / "a").write_text("1")
        target.mkdir()
        (target / "theirs").write_text("2")
    assert (names(tmp_path), names(target)) == (["bundle"], ["theirs"])


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "bundle").mkdir()
    with cvae.new_folder(tmp_path / "bundle", overwrite=False) as temporary:
        (temporary / "a").write_text("1")
    assert (names(tmp_path), names(tmp_path / "bundle")) == (["bundle"], ["a"])


def test_a_folder_that_vanishes_is_told(tmp_path, refuses):
    target = tmp_path / "bundle"
    message = f"cannot write {target}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), cvae.new_folder(target) as temporary:
        temporary.rmdir()
    assert names(tmp_path) == []


def test_a_file_whose_folder_vanishes_is_told(tmp_path, refuses):
    folder = tmp_path / "folder"
    folder.mkdir()
    message = f"cannot write {folder / 'a'}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), _files.new_file(folder / "a") as file:
        file.write(b"1")
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged in one step on Linux alone")
def test_names_are_exchanged_in_one_step(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").mkdir()
    assert exchange(tmp_path / "one", tmp_path / "other")
    assert ((tmp_path / "one").is_dir(), (tmp_path / "other").read_text()) == (True, "1")
    assert not exchange(tmp_path / "one", tmp_path / "none")


def test_a_file_gets_its_name_when_the_block_has_ended(tmp_path):
    target = tmp_path / "a.npy"
    target.write_bytes(b"old")
    with _files.new_file(target) as file:
        file.write(b"ne")
        file.write(b"w")
        assert target.read_bytes() == b"old"
    assert (names(tmp_path), target.read_bytes()) == (["a.npy"], b"new")


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_file_whose_block_fails_leaves_what_was_there(error, tmp_path):
    target = tmp_path / "a.npy"
    target.write_bytes(b"old")

    def fill():
        with _files.new_file(target) as file:
            file.write(b"new")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert (names(tmp_path), target.read_bytes()) == (["a.npy"], b"old")


def test_temporary_files_alone_are_removed(tmp_path):
    for name in ("part-00000.npy", ".hidden", "a.tmp", ".part-00001.npy.0123abcd.tmp", ".shards.json.89abcdef.tmp"):
        (tmp_path / name).touch()
    _files.remove_temporary(tmp_path)
    assert names(tmp_path) == [".hidden", "a.tmp", "part-00000.npy"]

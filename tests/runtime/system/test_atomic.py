"""Atomic files: a killed or failed write leaves the target unchanged."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

import cvae_runtime as cvae
import cvae_runtime.files
from cvae_runtime._system import access as _access
from cvae_runtime._system import atomic as _files
from cvae_runtime._system import durable as _durable
from cvae_runtime._system import folders as _folders


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_whole(tmp_path):
    target = tmp_path / "a.bin"
    for data in (b"first", b"", b"second, longer"):
        cvae.files.write_file(target, data)
        assert target.read_bytes() == data
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_file_has_the_mode_that_the_umask_gives(tmp_path):
    old = os.umask(0o027)
    try:
        cvae.files.write_file(tmp_path / "a.bin", b"data")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file(error, tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def fail(_descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((cvae.InputError, KeyboardInterrupt)) as caught:
        cvae.files.write_file(target, b"new")
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {target}: No space left on device; check space and permissions"
    else:
        assert caught.value is error
    assert (names(tmp_path), target.read_bytes()) == (["a.bin"], b"old")


def test_a_name_that_is_a_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for target in (tmp_path / "folder", Path()):
        with pytest.raises(cvae.InputError, match=f"^cannot write {target}: "):
            cvae.files.write_file(target, b"data")
    assert names(tmp_path) == ["folder"]


def test_an_existing_target_needs_overwrite(tmp_path, refuses):
    target = tmp_path / "a.bin"
    cvae.files.refuse_existing(target, overwrite=False)
    target.write_bytes(b"old")
    cvae.files.refuse_existing(target, overwrite=True)
    with refuses(cvae.TargetExistsError, f"{target} exists already; choose another name or pass --overwrite"):
        cvae.files.refuse_existing(target, overwrite=False)
    with refuses(
        cvae.TargetExistsError, f"{tmp_path}: expected the name of a file, found a folder; choose another name"
    ):
        cvae.files.refuse_existing(tmp_path, overwrite=True)


def test_a_dangling_link_exists(tmp_path):
    target = tmp_path / "link"
    target.symlink_to(tmp_path / "none")
    with pytest.raises(cvae.TargetExistsError, match="link exists already"):
        cvae.files.refuse_existing(target, overwrite=False)


def test_refuse_existing_checks_the_parent_folder(tmp_path, monkeypatch, refuses):
    target = tmp_path / "none" / "a.bin"
    message = f"cannot write {target}: the folder {tmp_path / 'none'} does not exist; create it first"
    with refuses(cvae.InputError, message):
        cvae.files.refuse_existing(target, overwrite=True)
    monkeypatch.chdir(tmp_path)
    cvae.files.refuse_existing(Path("a.bin"), overwrite=False)  # a bare name is one in the working folder


def test_a_folder_removed_meanwhile_is_an_error(tmp_path, refuses):
    folder = tmp_path / "folder"
    folder.mkdir()
    message = f"cannot write {folder / 'a'}: No such file or directory; check space and permissions"
    with refuses(cvae.InputError, message), _files.new_file(folder / "a") as file:
        file.write(b"1")
        shutil.rmtree(folder)


def test_a_file_gets_its_name_after_the_block(tmp_path):
    target = tmp_path / "a.npy"
    target.write_bytes(b"old")
    with _files.new_file(target) as file:
        file.write(b"ne")
        file.write(b"w")
        assert target.read_bytes() == b"old"
    assert (names(tmp_path), target.read_bytes()) == (["a.npy"], b"new")


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failed_block_keeps_the_old_file(error, tmp_path):
    target = tmp_path / "a.npy"
    target.write_bytes(b"old")

    def fill():
        with _files.new_file(target) as file:
            file.write(b"new")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert (names(tmp_path), target.read_bytes()) == (["a.npy"], b"old")


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_replaced_file_keeps_its_mode(mode, tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(mode)
    with _files.new_file(target) as file:
        (temporary,) = tmp_path.glob(".*")
        assert stat.S_IMODE(temporary.stat().st_mode) == mode  # before anything is in it
        file.write(b"new")
    assert (stat.S_IMODE(target.stat().st_mode), target.read_bytes()) == (mode, b"new")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(0o640)
    os.chown(target, 1234, 4321)
    cvae.files.write_file(target, b"new")
    status = target.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 4321, 0o640)


@pytest.mark.skipif(os.name != "posix", reason="owners are those of POSIX")
@pytest.mark.parametrize(("mode", "without_group"), [(0o640, 0o600), (0o664, 0o644), (0o600, 0o600)])
def test_another_group_gets_at_most_the_rights_of_others(mode, without_group, tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(mode)
    old = list(target.stat())
    old[4] += 1  # the owner, and so it has to be given away, which is denied

    def deny(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(_access.os, "chown", deny)
    (tmp_path / "new").touch()
    _access.give_access(tmp_path / "new", os.stat_result(old))
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == without_group


def test_a_link_is_replaced_and_its_target_is_not(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "theirs").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    cvae.files.write_file(tmp_path / "link", b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "theirs").read_bytes()) == (False, b"theirs")


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_unsupported_fsync_is_ignored(number, tmp_path, monkeypatch):
    def refuse(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_durable.os, "fsync", refuse)
    cvae.files.write_file(tmp_path / "a", b"1")
    cvae.files.make_folder(tmp_path / "c" / "d")
    with cvae.files.new_folder(tmp_path / "e") as folder:
        cvae.files.write_file(folder / "f", b"2")
    assert names(tmp_path) == ["a", "c", "e"]
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "e" / "f").read_bytes()) == (b"1", b"2")


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
def test_a_write_only_folder_is_written(tmp_path, monkeypatch):
    opened = os.open

    def deny(path, *arguments, **more):
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(_durable.os, "open", deny)
    cvae.files.write_file(tmp_path / "a", b"1")
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
def test_a_failed_flush_of_the_folder_is_an_error(tmp_path, monkeypatch, refuses):
    def fail(path):
        assert names(path) == ["a"]
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(_files, "sync_folder", fail)
    message = f"cannot write {tmp_path / 'a'}: Input/output error; check space and permissions"
    with refuses(cvae.InputError, message):
        cvae.files.write_file(tmp_path / "a", b"1")


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
def test_the_file_is_flushed_before_and_the_folder_after_the_rename(tmp_path, monkeypatch):
    events = []
    flush, replace = os.fsync, Path.replace

    def flushing(descriptor):
        events.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".")[-1]))
        flush(descriptor)

    def replacing(self, other):
        events.append(("rename", other.name))
        return replace(self, other)

    monkeypatch.setattr(_durable.os, "fsync", flushing)
    monkeypatch.setattr(Path, "replace", replacing)
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are named on Linux alone")
    cvae.files.write_file(tmp_path / "a", b"1")
    assert events == [("flush", "tmp"), ("rename", "a"), ("flush", tmp_path.name)]


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on POSIX alone")
def test_folders_above_are_flushed_from_the_top(tmp_path, monkeypatch, refuses):
    flushed = []
    monkeypatch.setattr(_folders, "sync_folder", flushed.append)
    cvae.files.make_folder(tmp_path / "a" / "b" / "c")
    cvae.files.make_folder(tmp_path / "a" / "b" / "c")
    assert flushed == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    (tmp_path / "file").touch()
    message = f"cannot write {tmp_path / 'file' / 'a'}: Not a directory; check space and permissions"
    with refuses(cvae.InputError, message):
        cvae.files.make_folder(tmp_path / "file" / "a")

"""Locks of folders: one process at a time, until it ends."""

import signal
import subprocess
import sys

import pytest

import cvae_runtime as cvae
import cvae_runtime.files
from cvae_runtime._system import lock as _hold

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows opens no folders")

HOLDER = """
import sys, time
from pathlib import Path
import cvae_runtime.files
with cvae_runtime.files.lock_directory(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def message(folder):
    return (
        f"{folder}: expected a folder that no process is writing, found another process at work in it; "
        f"wait until it ends, or choose another name"
    )


def refused(folder, refuses):
    with refuses(cvae.InputError, message(folder)), cvae.files.lock_directory(folder):
        pytest.fail("the block must not begin")


def test_a_locked_folder_is_an_error_until_it_is_released(tmp_path, refuses):
    with cvae.files.lock_directory(tmp_path):
        refused(tmp_path, refuses)
    with cvae.files.lock_directory(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_the_lock_ends_with_its_process(tmp_path, refuses):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        refused(tmp_path, refuses)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with cvae.files.lock_directory(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_the_lock_follows_a_rename(tmp_path, refuses):
    (tmp_path / "new").mkdir()
    with cvae.files.lock_directory(tmp_path / "new", tmp_path / "run"):
        (tmp_path / "new").rename(tmp_path / "run")
        refused(tmp_path / "run", refuses)


def test_a_replaced_folder_is_an_error(tmp_path, refuses, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    lock = _hold._lock

    def replace(descriptor):
        folder.rmdir()
        return lock(descriptor)

    monkeypatch.setattr(_hold, "_lock", replace)
    refused(folder, refuses)


def test_a_file_system_without_locks_takes_no_lock(tmp_path, monkeypatch):
    import fcntl

    def fail(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", fail)
    with cvae.files.lock_directory(tmp_path), cvae.files.lock_directory(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(tmp_path, refuses):
    text = f"cannot open the folder {tmp_path / 'none'}: No such file or directory; check permissions"
    with refuses(cvae.InputError, text), cvae.files.lock_directory(tmp_path / "none"):
        pytest.fail("the block must not begin")

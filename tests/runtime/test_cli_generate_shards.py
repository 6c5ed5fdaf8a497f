"""``cvae-generate --shard-size``: kills, full disks, Ctrl-C, messages."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.files
import cvae_runtime.images
from cvae_runtime._commands import generate as _cli_generate
from cvae_runtime._system import atomic as _files

# Send a signal to the process at a call of fsync: the file is written, but not yet renamed.
KILLED_AT = """
import os, sys
calls, fsync = 0, os.fsync
def killing(descriptor):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), {signal})
    fsync(descriptor)
os.fsync = killing
from cvae_runtime._commands.generate import main
main()
"""
# Limit the size of files, which acts as a full disk.
LIMITED_TO = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from cvae_runtime._commands.generate import main
main()
"""
SHARDS = ["--shard-size", "100", "--provider", "cpu"]


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_shards_and_progress_lines(run, tiny_bundle, tiny_model):
    expected = "images: 100 of 250\nimages: 200 of 250\nimages: 250 of 250\n"
    assert run(tiny_bundle, "-n", 250, "--seed", 3, "--first", 5, "--temperature", 0.5, *SHARDS) == (0, b"", expected)
    parts = [cvae.images.read_npy(Path(f"samples/part-0000{i}.npy")) for i in range(3)]
    (images,) = tiny_model.stream(250, seed=3, first=5, temperature=0.5)
    np.testing.assert_array_equal(np.concatenate(parts), images)


def test_quiet_prints_nothing(run, tiny_bundle):
    assert run(tiny_bundle, "-q", "-n", 250, "--format", "tar", *SHARDS, "-o", "out") == (0, b"", "")
    assert sorted(contents("out")) == ["part-00000.tar", "part-00001.tar", "part-00002.tar", "shards.json"]


@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
def test_a_killed_job_resumes_with_the_same_bytes(file_format, python, run, tmp_path):
    arguments = ["-n", 1000, "--seed", 7, "--first", 3, "--format", file_format, *SHARDS, "--resume", "-o"]
    assert run("-q", *arguments, "undisturbed")[0] == 0
    written = []
    for call in (9, 5):  # each shard takes two: the file's and the folder's; the settings four
        code, *_ = python(KILLED_AT.format(call=call, signal=int(signal.SIGKILL)), *arguments, "killed")
        assert code == -signal.SIGKILL
        written.append(len(list((tmp_path / "killed").glob(f"part-*.{file_format}"))))
        assert len(list((tmp_path / "killed").glob(f".part-*.{file_format}.*.tmp"))) == 1
    assert written == [2, 4]
    code, _, err = run(*arguments, "killed")
    assert (code, err.splitlines()[0], err.splitlines()[-1]) == (
        0,
        "images: 500 of 1,000",
        "images: 1,000 of 1,000",
    )
    assert contents("killed") == contents("undisturbed")
    assert run(*arguments, "killed") == (0, b"", "")  # finished


def test_ctrl_c_is_130_and_leaves_no_partial_shard(python, tiny_bundle, tmp_path):
    program = KILLED_AT.format(call=9, signal=int(signal.SIGINT))
    code, out, err = python(program, tiny_bundle, "-n", 1000, *SHARDS, "-o", "out")
    assert (code, out) == (130, "")
    assert err.endswith("\nout holds 2 of 10 shards; repeat the command with --resume to continue\n\ninterrupted\n")
    assert sorted(contents(tmp_path / "out")) == ["part-00000.npy", "part-00001.npy", "shards.json"]


def test_a_full_disk_is_1_and_leaves_no_partial_shard(run, tiny_bundle, tmp_path, monkeypatch):
    write = _files.os.fsync
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor)

    monkeypatch.setattr(_files.os, "fsync", full)
    code, out, err = run(tiny_bundle, "-n", 1000, *SHARDS, "-o", "out")
    assert (code, out) == (1, b"")
    assert err.splitlines()[-2:] == [
        "out holds 2 of 10 shards; repeat the command with --resume to continue",
        "Error: cannot write out/part-00002.npy: No space left on device; check space and permissions",
    ]
    assert sorted(contents("out")) == ["part-00000.npy", "part-00001.npy", "shards.json"]
    assert run("-q", tiny_bundle, "-n", 1000, *SHARDS, "-o", "out", "--resume") == (0, b"", "")
    assert len(contents(tmp_path / "out")) == 11


@pytest.mark.skipif(os.name != "posix", reason="limits of a file's size are POSIX's")
@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
def test_a_file_size_limit_is_1_in_every_format(file_format, python, tiny_bundle, tmp_path):
    arguments = [tiny_bundle, "-q", "-n", 200, "--format", file_format, *SHARDS, "-o", "out"]
    assert python(LIMITED_TO.format(size=1500), *arguments) == (
        1,
        "",
        f"Error: cannot write out/part-00000.{file_format}: File too large; check space and permissions\n",
    )
    assert sorted(contents(tmp_path / "out")) == ["shards.json"]


def test_a_file_in_the_place_of_the_folder_is_1(run, tiny_bundle):
    Path("file").write_bytes(b"")
    message = "Error: file: expected a folder of shards, found a file; choose another name\n"
    assert run(tiny_bundle, *SHARDS, "-o", "file") == (1, b"", message)


def test_other_settings_are_1_and_overwrite_starts_again(run, tiny_bundle):
    arguments = ["-q", tiny_bundle, "-n", 250, *SHARDS, "-o", "out"]
    assert run(*arguments) == (0, b"", "")
    message = "out exists already; choose another name or pass --resume or --overwrite"
    assert run(*arguments) == (1, b"", f"Error: {message}\n")
    message = (
        "out was written with other settings: seed was 0 and is now 3; "
        "use the old settings, or start again with --overwrite instead of --resume"
    )
    assert run(*arguments, "--seed", 3, "--resume") == (1, b"", f"Error: {message}\n")
    before = contents("out")
    assert run(*arguments, "--seed", 3, "--overwrite") == (0, b"", "")
    assert contents("out").keys() == before.keys()
    assert contents("out")["part-00000.npy"] != before["part-00000.npy"]


def test_progress_lines_of_one_array(run, tiny_bundle, monkeypatch):
    monkeypatch.setattr(_cli_generate, "_BAR_FROM", 50)
    monkeypatch.setattr(_cli_generate, "_BLOCK", 30)
    expected = "images: 30 of 50\nimages: 50 of 50\n"
    assert run(tiny_bundle, "-n", 50, "-o", "a.npy") == (0, b"", expected)

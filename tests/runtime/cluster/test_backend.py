"""``cvae-generate --executor ray``: the same bytes as on one machine, also after a killed or stopped worker."""

import functools
import os
import platform
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._cluster import OnCluster
from cvae_runtime._cluster import backend as _backend
from cvae_runtime._jobs.encode import Batch, Encoding
from cvae_runtime._jobs.shards import ShardSettings, write_shards

SHARDS = ["--shard-size", "100", "--provider", "cpu"]
# Ray's own: it warns of settings that it sets itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.usefixtures("cluster"),
]
MAIN = "from cvae_runtime._commands.generate import main; main()"


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
def test_shards_equal_those_of_one_machine(file_format, run, tiny_bundle):
    arguments = [tiny_bundle, "-n", 1000, "--seed", 7, "--first", 3, "--format", file_format, *SHARDS]
    assert run("-q", *arguments, "-o", "local") == (0, b"", "")
    code, out, err = run(*arguments, "-o", "ray", "--executor", "ray", "--workers", 3)
    assert (code, out, err.splitlines()) == (0, b"", [f"images: {n:,} of 1,000" for n in range(100, 1100, 100)])
    assert contents("ray") == contents("local")


def test_local_and_ray_resume_one_folder(run, tiny_bundle):
    arguments = ["-q", tiny_bundle, "-n", 1000, *SHARDS, "--resume", "-o"]
    ray = ["--executor", "ray", "--threads", 2]
    assert run(*arguments, "local") == (0, b"", "")
    for first, then in ([ray, []], [[], ray]):
        assert run(*arguments, "both", *first) == (0, b"", "")
        for name in ("part-00002.npy", "part-00009.npy"):
            Path("both", name).unlink()
        assert run(*arguments, "both", *then) == (0, b"", "")
        assert contents("both") == contents("local")


@pytest.fixture
def write(tiny_bundle, tiny_model, tmp_path):
    """Write 10 shards through a task that is made of the usual one; return the folder."""

    def write(task_of, name="ray"):
        def executor(work, shards):
            return OnCluster(None, 3, tiny_bundle, "cpu", "float32", 1)(task_of(work), shards)

        samples = {"count": 1000, "seed": 0, "first": 0, "temperature": 1.0}
        settings = ShardSettings.of(tiny_model, shard_size=100, file_format="npy", dtype="float32", **samples)
        how = {"resume": False, "overwrite": False, "quiet": True}
        write_shards(tiny_model, tmp_path / name, settings, executor=executor, **how)
        return tmp_path / name

    return write


def test_a_killed_worker_is_retried(write, run, tiny_bundle, tmp_path):
    killed = tmp_path / "killed"

    def task_of(work):
        def dies_once(model, shard):
            fsync = os.fsync

            def dying(descriptor):  # when the shard is written and has not got its name
                if shard.name == "part-00004.npy" and not killed.exists():
                    killed.mkdir()
                    os.kill(os.getpid(), signal.SIGKILL)
                fsync(descriptor)

            os.fsync = dying
            try:
                work(model, shard)
            finally:
                os.fsync = fsync

        return dies_once

    assert run("-q", tiny_bundle, "-n", 1000, *SHARDS, "-o", "local") == (0, b"", "")
    folder = write(task_of)
    assert killed.exists()
    assert contents(folder) == contents("local")


def test_retries_are_limited(write, tmp_path, monkeypatch):
    monkeypatch.setattr(_backend, "_RETRIES", 1)
    calls = tmp_path / "calls"
    calls.mkdir()

    def task_of(work):
        def dies(model, shard):
            if shard.name == "part-00004.npy":
                (calls / str(os.getpid())).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            work(model, shard)

        return dies

    with pytest.raises(cvae.CvaeError, match=r"^Ray gave up on part-00004\.npy: "):
        write(task_of)
    assert len(list(calls.iterdir())) == 2
    assert "part-00004.npy" not in contents(tmp_path / "ray")


def test_a_folder_that_is_not_shared_is_an_error(write, tmp_path, refuses):
    def task_of(work):
        return functools.partial(work.func, tmp_path / "elsewhere", *work.args[1:])

    message = (
        f"{tmp_path}/elsewhere/shards.json: expected the file that this command wrote, found none or another on {platform.node()}; "
        f"name an output folder that all machines of the cluster share"
    )
    with refuses(cvae.InputError, message):
        write(task_of)
    assert sorted(contents(tmp_path / "ray")) == ["shards.json"]


@pytest.fixture
def start(tmp_path):
    """Start ``cvae-generate`` in a process of its own."""

    def start(*arguments, program=MAIN):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def test_ctrl_c_is_130_and_the_job_resumes(start, run, tmp_path):
    import ray

    arguments = ["-n", 20_000, "--format", "tar", "--shard-size", 500, "--provider", "cpu", "--resume", "-o"]
    process = start(*arguments, "ray", "--executor", "ray", "--address", ray.get_runtime_context().gcs_address)
    while process.stderr.readline() != "images: 1,000 of 20,000\n":  # Ray warns where there is no network
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    there = list((tmp_path / "ray").glob("part-*.tar"))
    assert (process.returncode, out) == (130, "")
    assert err.endswith("of 40 shards; repeat the command with --resume to continue\n\ninterrupted\n"), err
    assert 2 <= len(there) < 40
    assert run("-q", *arguments, "ray") == run("-q", *arguments, "local") == (0, b"", "")
    assert contents("ray") == contents("local")


def test_an_unreachable_cluster_is_1(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    process = start("-q", *SHARDS, "--executor", "ray", "--address", address)
    message = f"no Ray cluster at {address}: [Errno 111] Connection refused; start one with: ray start --head"
    assert process.communicate() == ("", f"Error: {message}\n")
    assert process.returncode == 1


def test_without_ray_it_is_1_and_creates_no_folder(start, tmp_path):
    process = start(*SHARDS, "--executor", "ray", program=f"import sys; sys.modules['ray'] = None; {MAIN}")
    message = "ray is not installed; install it with: pip install 'cvae-toolkit[ray]'"
    assert process.communicate() == ("", f"Error: {message}\n")
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", ["npz", "parquet"])
def test_a_table_equals_that_of_one_machine(file_format, encode, tiny_bundle, monkeypatch):
    monkeypatch.setattr("cvae_runtime._commands.encode.code_batch", lambda _shape: 32)  # 16 parts of few images
    np.save("images.npy", np.random.default_rng(3).integers(0, 256, (500, 4, 4, 1), np.uint8))
    arguments = [tiny_bundle, "images.npy", "--samples", 2, "--seed", 5, "--top-anomalies", 7, "--provider", "cpu"]
    code, local, _ = encode(*arguments, "-o", f"local.{file_format}", "--anomalies", "local.png")
    assert (code, len(local.splitlines())) == (0, 7)
    ray = ["--executor", "ray", "--workers", 3]
    code, out, err = encode(*arguments, "-o", f"ray.{file_format}", "--anomalies", "ray.png", *ray)
    assert (code, out, err.splitlines()[-1]) == (0, local, "images: 500 of 500")
    assert Path(f"ray.{file_format}").read_bytes() == Path(f"local.{file_format}").read_bytes()
    assert Path("ray.png").read_bytes() == Path("local.png").read_bytes()


def test_other_images_on_a_machine_are_an_error(tiny_model, tmp_path, refuses):
    np.save(tmp_path / "images.npy", np.zeros((5, 4, 4, 1), np.uint8))
    encoding = Encoding(tmp_path / "images.npy", False, False, False, 1, 0, 0)
    message = f"{tmp_path / 'images.npy'}: expected 6 images, found 5; give all machines of the cluster the same files"
    with refuses(cvae.InputError, message):
        encoding(tiny_model, Batch(range(4, 6), 6))

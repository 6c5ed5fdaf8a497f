"""Nothing at run time reaches for a network: sockets are denied, and the process has none at its end."""

import sys

import pytest

import cvae_runtime as cvae

# Python tells its audit hooks of every socket before there is one; what ONNX Runtime opened would be among the handles.
PROGRAM = """
import os, sys

def deny(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(f"a network was asked for: {event} {arguments}")

sys.addaudithook(deny)
WORK
if os.path.isdir("/proc/self/fd"):
    names = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{handle}"))
        except OSError:  # that of the listing itself
            pass
    assert not [name for name in names if name.startswith("socket:")], names
print("done")
"""
EVERYTHING = """
import numpy as np
import cvae_runtime as cvae
with cvae.load(sys.argv[1], provider="cpu") as model:
    images = cvae.to_uint8(model.generate(5, seed=1))
    model.reconstruct(images, sample=True)
    model.score(images, samples=2)
    model.encode(images)
    model.interpolate(images[0], images[1])
    assert model.receipt()["provider"]["actual"] == "cpu"
assert all(result.agrees for result in cvae.check_golden(cvae.read_bundle(sys.argv[1])))
"""
COMMAND = """
sys.argv[:] = ["cvae-{name}", *sys.argv[2:]]
from cvae_runtime import _cli_{name}
try:
    _cli_{name}.main()
except SystemExit as ended:
    assert ended.code == 0, ended.code
"""


@pytest.fixture
def offline(fresh_python):
    def run(work, *arguments):
        done = fresh_python(PROGRAM.replace("WORK", work), *arguments)
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr

    return run


def test_a_model_needs_no_network(offline):
    offline(EVERYTHING, cvae.packaged_bundle())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("generate", ["-n", "3", "--format", "npy", "-o", "a.npy"]),
        ("generate", ["-n", "30", "--shard-size", "10", "-o", "shards"]),
        ("encode", ["digits.npy", "-o", "codes.npz"]),
        ("doctor", []),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[-2:]),
)
def test_command_lines_need_no_network(name, arguments, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cvae.load(provider="cpu") as model:
        (tmp_path / "digits.npy").write_bytes(cvae.npy_bytes(cvae.to_uint8(model.generate(3))))
    offline(COMMAND.format(name=name), "", *arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="without /proc the handles are not looked at")
@pytest.mark.parametrize("call", ["socket.socket()", "socket.create_connection(('127.0.0.1', 9))"])
def test_a_program_that_asks_for_one_is_told(call, fresh_python):
    done = fresh_python(PROGRAM.replace("WORK", f"import socket; {call}"))
    assert done.returncode == 1
    assert "a network was asked for: socket." in done.stderr

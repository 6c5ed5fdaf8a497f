"""The runtime uses no network: opening a socket raises, and the process has none at its end."""

import sys

import pytest

import cvae_runtime as cvae
import cvae_runtime.images

# Python calls audit hooks before it makes a socket; sockets of ONNX Runtime would be among the open handles.
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
    assert not [name for name in names if name.startswith(os.environ["HOME"])], names
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
from cvae_runtime._commands import {name}
try:
    {name}.main()
except SystemExit as ended:
    assert ended.code == 0, ended.code
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty home folder; set HOME to it and unset ORT_DISABLE_TELEMETRY."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def offline(fresh_python, home):
    """Run a program without sockets; check that it leaves no file, such as unsent telemetry, in the home folder."""

    def run(work, *arguments):
        done = fresh_python(PROGRAM.replace("WORK", work), *arguments)
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr
        assert list(home.iterdir()) == []

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
def test_commands_need_no_network(name, arguments, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cvae.load(provider="cpu") as model:
        (tmp_path / "digits.npy").write_bytes(cvae.images.npy_bytes(cvae.to_uint8(model.generate(3))))
    offline(COMMAND.format(name=name), "", *arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="without /proc the handles are not looked at")
@pytest.mark.parametrize("call", ["socket.socket()", "socket.create_connection(('127.0.0.1', 9))"])
@pytest.mark.usefixtures("home")
def test_opening_a_socket_raises(call, fresh_python):
    done = fresh_python(PROGRAM.replace("WORK", f"import socket; {call}"))
    assert done.returncode == 1
    assert "a network was asked for: socket." in done.stderr


@pytest.mark.parametrize(
    ("before", "value", "told"),
    [
        ("pass", "1", []),
        ("import os; os.environ['ORT_DISABLE_TELEMETRY'] = '0'", "0", []),
        ("import types; sys.modules['onnxruntime'] = types.SimpleNamespace(disable_telemetry_events=TELL)", "1", [1]),
    ],
    ids=["not set", "set", "imported before"],
)
@pytest.mark.usefixtures("home")
def test_telemetry_is_disabled(before, value, told, fresh_python):
    program = f"import os, sys; told = []; {before.replace('TELL', 'lambda: told.append(1)')}; import cvae_runtime"
    done = fresh_python(f"{program}; print(os.environ['ORT_DISABLE_TELEMETRY'], told)")
    assert (done.stdout, done.stderr) == (f"{value} {told}\n", "")

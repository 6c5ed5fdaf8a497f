"""Nothing at run time reaches for a network: sockets are denied, and the process has none at its end."""

import sys

import pytest

import cvae_runtime as cvae
import cvae_runtime.images

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
    """A user's folder of nothing, and an environment in which no package of ours was imported yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def offline(fresh_python, home):
    """Run a program that gets no socket; it leaves nothing in the user's folder, as reports that wait for a network would."""

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
def test_command_lines_need_no_network(name, arguments, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cvae.load(provider="cpu") as model:
        (tmp_path / "digits.npy").write_bytes(cvae.images.npy_bytes(cvae.to_uint8(model.generate(3))))
    offline(COMMAND.format(name=name), "", *arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="without /proc the handles are not looked at")
@pytest.mark.parametrize("call", ["socket.socket()", "socket.create_connection(('127.0.0.1', 9))"])
@pytest.mark.usefixtures("home")
def test_a_program_that_asks_for_one_is_told(call, fresh_python):
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
def test_onnx_runtime_is_told_to_report_nothing(before, value, told, fresh_python):
    program = f"import os, sys; told = []; {before.replace('TELL', 'lambda: told.append(1)')}; import cvae_runtime"
    done = fresh_python(f"{program}; print(os.environ['ORT_DISABLE_TELEMETRY'], told)")
    assert (done.stdout, done.stderr) == (f"{value} {told}\n", "")

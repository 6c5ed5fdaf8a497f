"""Constant memory over many calls of a model: a short run of ``scripts/soak.py``."""

import mmap
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from scripts import soak

SCRIPT = Path(soak.__file__)
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")


def test_memory_of_three_thousand_calls(tiny_bundle):
    # A separate process, since other tests allocate and free memory.
    command = [sys.executable, str(SCRIPT), str(tiny_bundle), "--calls", "3000", "--callers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pattern = r"memory grew by [0-9.]+ MB, handles by 0, in 3,000 calls, after the first 150\n"
    assert (done.returncode, bool(re.fullmatch(pattern, done.stdout))) == (0, True), done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == soak.SAMPLES


def test_growing_memory_is_detected(tiny_bundle, monkeypatch, capsys):
    kept = []

    def call(*_):
        kept.append(mmap.mmap(-1, 1 << 20))  # new pages; a list could reuse memory that other tests freed
        kept[-1].write(bytes(1 << 20))

    monkeypatch.setattr(soak, "call", call)
    monkeypatch.setattr(sys, "argv", ["soak.py", str(tiny_bundle), "--calls", "40"])
    with pytest.raises(SystemExit) as caught:
        soak.main()
    assert caught.value.code == 3
    assert float(re.match(r"memory grew by ([0-9.]+) MB", capsys.readouterr().out)[1]) >= 20.0


def test_growing_handles_are_detected(tiny_bundle, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(soak, "call", lambda *_: kept.append(SCRIPT.open()))
    monkeypatch.setattr(sys, "argv", ["soak.py", str(tiny_bundle), "--calls", "40"])
    with pytest.raises(SystemExit) as caught:
        soak.main()
    for file in kept:
        file.close()
    assert caught.value.code == 3
    assert "handles by 38, in 40 calls, after the first 2\n" in capsys.readouterr().out


def test_every_call_is_made_once(monkeypatch):
    numbers = []
    monkeypatch.setattr(soak, "call", lambda _model, number: numbers.append(number))
    assert [state.calls for state in soak.soak(None, 4, calls=60)] == list(range(3, 61, 3))
    assert sorted(numbers) == list(range(60))


def test_calls_go_on_for_the_duration(monkeypatch):
    numbers, now = [], iter(range(1000))
    monkeypatch.setattr(soak, "call", lambda _model, number: numbers.append(number))
    monkeypatch.setattr(soak, "time", types.SimpleNamespace(monotonic=lambda: next(now)))
    states = list(soak.soak(None, 1, seconds=100))
    assert [state.calls for state in states] == list(range(5, 101, 5))
    assert numbers == list(range(100))


def test_growth_is_measured_from_the_first_part():
    states = [soak.State(1, 100, 5), soak.State(2, 130, 4), soak.State(3, 90, 7)]
    assert soak.growth(states) == (30, 2)

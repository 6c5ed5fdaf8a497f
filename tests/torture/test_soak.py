"""Constant memory over many calls of a model."""

import mmap
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from scripts.torture import soak

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")


def test_memory_of_seconds_of_calls():
    # A separate process, since other tests allocate and free memory.
    command = [sys.executable, "-m", "scripts.torture", "soak", "--seconds", "5", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MB, handles by 0, after the first " in done.stdout
    assert len(done.stderr.splitlines()) == soak.PARTS


def test_growing_memory_is_a_defect(monkeypatch):
    kept = []

    def call(*_):
        kept.append(mmap.mmap(-1, 1 << 20))  # new pages; a list could reuse memory that other tests freed
        kept[-1].write(bytes(1 << 20))

    monkeypatch.setattr(soak, "call", call)
    (defect,) = soak.run_attack(0, 7).defects
    assert defect.endswith("MB, handles by 0, after the first 2, seed 7")


def test_growing_handles_are_a_defect(monkeypatch):
    kept = []
    monkeypatch.setattr(soak, "call", lambda *_: kept.append(os.dup(1)))
    (defect,) = soak.run_attack(0, 7).defects
    for handle in kept:
        os.close(handle)
    assert defect.endswith("MB, handles by 38, after the first 2, seed 7")


def test_every_call_is_made_once(monkeypatch):
    numbers = []
    monkeypatch.setattr(soak, "call", lambda _model, number: numbers.append(number))
    assert [state.calls for state in soak.soak(None, 0, 5)] == list(range(2, 41, 2))
    assert sorted(numbers) == list(range(5, 45))


def test_calls_go_on_for_the_duration(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(soak, "call", lambda *_: None)
    monkeypatch.setattr(soak, "CALLERS", 1)
    monkeypatch.setattr(soak, "time", types.SimpleNamespace(monotonic=lambda: next(now)))
    assert [state.calls for state in soak.soak(None, 100, 0)] == list(range(5, 101, 5))

"""Memory stays what it is, however often a model is called: a shorter run of ``scripts/soak.py``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import soak

SCRIPT = Path(soak.__file__)
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")


def test_three_thousand_calls_grow_memory_by_less_than_the_limit(tiny_bundle):
    # A process of its own: what other tests free or take would be counted here.
    command = [sys.executable, str(SCRIPT), str(tiny_bundle), "--calls", "3000", "--callers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pattern = r"memory grew by [0-9.]+ MB in 3,000 calls, after the first 150\n"
    assert (done.returncode, bool(re.fullmatch(pattern, done.stdout))) == (0, True), done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == soak.SAMPLES


def test_memory_that_grows_is_seen(tiny_bundle, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(soak, "call", lambda *_: kept.append(b"kept" * 250_000))
    monkeypatch.setattr(sys, "argv", ["soak.py", str(tiny_bundle), "--calls", "40"])
    with pytest.raises(SystemExit) as caught:
        soak.main()
    assert caught.value.code == 3
    assert float(re.match(r"memory grew by ([0-9.]+) MB", capsys.readouterr().out)[1]) >= 20.0


def test_calls_are_of_every_method_and_every_number_once(monkeypatch):
    numbers = []
    monkeypatch.setattr(soak, "call", lambda _model, number: numbers.append(number))
    assert len(list(soak.soak(None, 60, 4))) == soak.SAMPLES
    assert sorted(numbers) == list(range(60))
    assert soak.growth([100, 130, 90]) == 30

"""Tests do not depend on how busy the machine is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import waits

TESTS = Path(__file__).parents[1]

# A numeric time limit of a wait, or a comparison of a measured time.
IMPATIENT = re.compile(
    r"\btimeout=[\d_.]+|\b(?:acquire|join|wait)\([\d_.]+\)|assert [^#\n]*\b(?:monotonic|perf_counter)\(\)[^#\n]*<"
)
# Times in which a thread must not do something. A shorter time can only hide a defect, not fail a test.
MUST_NOT = {"threads[1].join(0.1)", "threading.Event().wait(0.001)", "threading.Event().wait(0.0005)"}


def test_tests_have_no_time_limits():
    found = {
        f"{path.relative_to(TESTS)}: {line.strip()}"
        for path in TESTS.rglob("*.py")
        if path not in (Path(__file__), Path(waits.__file__))
        for line in path.read_text().splitlines()
        if IMPATIENT.search(line) and line.strip() not in MUST_NOT
    }
    assert found == set()


def test_wait_until_waits():
    answers = iter([False] * 20 + [True])
    waits.wait_until(lambda: next(answers))


def test_wait_until_raises(monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", ""])
    with pytest.raises(AssertionError, match="the process ended before"):
        waits.wait_until(lambda: False, process=process)
    monkeypatch.setattr(waits, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="waited for 0 s in vain"):
        waits.wait_until(lambda: False)

"""No test depends on how busy its machine is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import waits

TESTS = Path(__file__).parents[1]

# A limit in numbers on what is waited for, or a measured time that is held against one.
IMPATIENT = re.compile(
    r"\btimeout=[\d_.]+|\b(?:acquire|join|wait)\([\d_.]+\)|assert [^#\n]*\b(?:monotonic|perf_counter)\(\)[^#\n]*<"
)
# Time for a thread to do what it must not: a shorter one hides a defect, and fails no test.
MUST_NOT = {"threads[1].join(0.1)", "threading.Event().wait(0.001)", "threading.Event().wait(0.0005)"}


def test_no_test_has_a_limit_of_its_own():
    found = {
        f"{path.relative_to(TESTS)}: {line.strip()}"
        for path in TESTS.rglob("*.py")
        if path not in (Path(__file__), Path(waits.__file__))
        for line in path.read_text().splitlines()
        if IMPATIENT.search(line) and line.strip() not in MUST_NOT
    }
    assert found == set()


def test_a_condition_that_comes_late_is_waited_for():
    answers = iter([False] * 20 + [True])
    waits.wait_until(lambda: next(answers))


def test_a_condition_that_cannot_come_is_told(monkeypatch):
    process = subprocess.Popen([sys.executable, "-c", ""])
    with pytest.raises(AssertionError, match="the process ended before"):
        waits.wait_until(lambda: False, process=process)
    monkeypatch.setattr(waits, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="waited for 0 s in vain"):
        waits.wait_until(lambda: False)

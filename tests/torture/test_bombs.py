"""Hostile files: each command is rejected, or reads them, within limits of time and memory."""

import pytest

from scripts.torture._parts import MEMORY
from scripts.torture._processes import Limits, run, says_why
from tests.torture.bombs import bombs

pytestmark = pytest.mark.slow


def test_hostile_files(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "work").mkdir()
    log, defects = tmp_path / "log", []
    for what, command, refused in bombs(tmp_path / "files"):
        code = run(command, log, Limits(memory_bytes=MEMORY), tmp_path / "work")
        text, ran = log.read_text(errors="replace"), (tmp_path / "work" / "pickled-code-ran").exists()
        if not says_why(code, text) or bool(code) != refused or ran or "\x1b" in text:
            defects.append(f"{what}: {command!r}: exit {code}: {text[-300:]}")
    assert defects == []

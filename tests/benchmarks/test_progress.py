import io

import pytest

from benchmarks._progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("out", "lines"), [(io.StringIO(), ["first", "refused", "second"]), (Terminal(), ["refused"])])
def test_stages_and_notes(out, lines):
    progress = Progress(out)
    progress.stage("first", 2)
    progress.step("a")
    progress.note("refused")
    progress.stage("second", 1)
    progress.step("b")
    progress.close()
    told = [part for line in out.getvalue().splitlines() for part in line.split("\r")]
    assert [part for part in told if part.strip() and "|" not in part] == lines
    # On a terminal, each stage has a bar with its number of steps.
    assert ("first:" in out.getvalue(), "| 1/2" in out.getvalue()) == (out.isatty(), out.isatty())

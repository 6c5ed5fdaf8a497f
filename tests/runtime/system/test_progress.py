"""Progress: a bar on a terminal, lines elsewhere, nothing if quiet."""

import sys

import pytest

from cvae_runtime._system.progress import progress


def work(**settings):
    with progress(100, "images", **settings) as advance:
        for _ in range(25):
            advance(2)
        advance(50 - settings.get("done", 0))


def test_lines_come_at_every_twentieth(capsys):
    work()
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["images: 6 of 100", "images: 10 of 100", "images: 16 of 100"]
    assert lines[-2:] == ["images: 50 of 100", "images: 100 of 100"]
    assert len(lines) == 11


def test_completed_items_count(capsys):
    work(done=30)
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == ("images: 36 of 100", "images: 100 of 100")


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_prints_nothing(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    work(quiet=True)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work(done=30)
    out, err = capsys.readouterr()
    assert out == ""
    assert " 30%" in err
    assert err.rstrip("\x1b[?25h\n").endswith("100%")

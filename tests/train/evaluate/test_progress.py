import types

import pytest

from cvae_train import _cli_evaluate


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.05, ""),
        (1.2, "\nabout 2 min; with --images 50 about 1 min\n"),
        (70.0, "\nabout 117 min; with --images 1 about 1 min\n"),
    ],
)
def test_long_computations_are_announced_once(seconds, said, monkeypatch, capsys):
    # The first 10 of 100 images take 50 s longer, because functions are compiled then.
    times = iter([50.0 + 10 * seconds, 50.0 + 20 * seconds, 50.0 + 30 * seconds])
    monkeypatch.setattr(_cli_evaluate.time, "perf_counter", lambda: next(times))
    progress = _cli_evaluate._Progress(types.SimpleNamespace(pos=0, hidden=False, update=lambda _: None), 100)
    for done in (10, 20, 30):
        progress(done)
    assert capsys.readouterr().err == said


def test_quiet(monkeypatch, capsys):
    times = iter([0.0, 1000.0])
    monkeypatch.setattr(_cli_evaluate.time, "perf_counter", lambda: next(times))
    progress = _cli_evaluate._Progress(types.SimpleNamespace(pos=0, hidden=True, update=lambda _: None), 100)
    for done in (10, 20):
        progress(done)
    assert capsys.readouterr().err == ""

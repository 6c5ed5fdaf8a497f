"""Progress of a run: rows of at most 80 columns, and a bar on a terminal."""

import dataclasses
import io
import sys

import pytest

from cvae_train import EpochRecord
from cvae_train._loop import Progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run_epochs(config, records, clock, *, first=1, chunks=(10, 40), seconds=1.0, validation=False, quiet=False):
    """Report epochs of 40 images, each chunk of which takes ``seconds``, and so does the evaluation."""
    with Progress(config, 40, done=first - 1, validation=validation, quiet=quiet, clock=clock) as progress:
        progress.print("before")
        for epoch, record in enumerate(records, first):
            progress.begin_epoch(epoch)
            for done in chunks:
                clock.now += seconds
                progress.update(done, record.train_elbo)
            clock.now += seconds
            progress.end_epoch(record)


def record(epoch, elbo=-77.314, validation=None):
    return EpochRecord(epoch, elbo, elbo + 25.0, 25.0, elbo - 1.0, 2.0, 20.0, validation)


def test_binary_images_have_rows_in_nats(replaced, capsys):
    run_epochs(replaced(epochs=2), [record(1, -206.126), record(2)], Clock())
    assert capsys.readouterr().err.splitlines() == [
        "before",
        "ELBO and KL in nats per image",
        "epoch   test ELBO        KL       train  time left",
        "  1/2     -206.13     25.00     -207.13      00:02",
        "  2/2      -77.31     25.00      -78.31      00:00",
    ]


def test_images_of_256_levels_have_bits_per_dimension_too(rgb_config, capsys):
    records = [record(1, -1064.2, -1070.0), record(2, -532.1, -540.0)]
    run_epochs(dataclasses.replace(rgb_config, epochs=2), records, Clock(), validation=True)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "test ELBO and KL in nats per image; bits per dimension, lower is better",
        "epoch   test ELBO        KL  bits/dim: test  validation   train  time left",
        "  1/2    -1064.20     25.00           7.996       8.040   8.004      00:02",
        "  2/2     -532.10     25.00           3.998       4.058   4.006      00:00",
    ]


def test_the_longest_rows_fit_in_80_columns(rgb_config, capsys):
    model = dataclasses.replace(rgb_config.model, image_shape=(128, 128, 3))
    config = dataclasses.replace(rgb_config, model=model, epochs=9999)
    longest = EpochRecord(9999, -272544.12, -272000.0, 12345.67, -272544.12, 1.0, 1.0, -272544.12)
    run_epochs(config, [longest], Clock(), first=9999, seconds=0.0, validation=True)
    assert [len(line) for line in capsys.readouterr().err.splitlines()[2:]] == [78, 78]


def test_without_a_terminal_every_twentieth_of_the_run_has_a_row(replaced, capsys):
    run_epochs(replaced(epochs=60), [record(epoch) for epoch in range(1, 61)], Clock())
    rows = [line.split()[0] for line in capsys.readouterr().err.splitlines()[3:]]
    assert rows == ["1/60", *(f"{epoch}/60" for epoch in range(4, 60, 3)), "60/60"]


def test_without_a_terminal_every_minute_has_a_row(replaced, capsys):
    records = [record(epoch) for epoch in range(1, 4)]
    run_epochs(replaced(epochs=100), records, Clock(), chunks=(10, 20, 40), seconds=30.0)
    rows = capsys.readouterr().err.splitlines()[3:]
    assert rows == [
        "  1/100      -77.31     25.00      -78.31    3:18:00",
        "  2/100           -         -      -78.31    3:17:00",
        "  2/100      -77.31     25.00      -78.31    3:16:00",
        "  3/100           -         -      -78.31    3:15:00",
        "  3/100      -77.31     25.00      -78.31    3:14:00",
    ]


def test_short_epochs_have_no_rows_of_their_own(replaced, capsys):
    run_epochs(replaced(epochs=100), [record(epoch) for epoch in range(1, 5)], Clock(), seconds=10.0)
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[3:]] == ["1/100", "3/100", "4/100"]


def test_the_last_epoch_has_a_row_before_the_next_line(replaced, capsys):
    clock = Clock()
    with Progress(replaced(epochs=100), 40, clock=clock) as progress:
        for epoch in (1, 2):
            progress.begin_epoch(epoch)
            progress.update(40, -9.0)
            progress.end_epoch(record(epoch))
        progress.print("stopped early")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[2:]] == ["1/100", "2/100", "stopped"]


def test_the_last_epoch_of_an_interrupted_run_has_a_row(replaced, capsys):
    def interrupted(records):
        yield from records
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_epochs(replaced(epochs=100), interrupted([record(1), record(2)]), Clock())
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[3:]] == ["1/100", "2/100"]


def test_compilation_does_not_count_in_the_time_left(replaced, capsys):
    clock = Clock()
    with Progress(replaced(epochs=3), 40, clock=clock) as progress:
        for epoch, chunks in ((1, ((10, 100.0), (40, 3.0))), (2, ((40, 6.0),)), (3, ((40, 6.0),))):
            progress.begin_epoch(epoch)
            for done, seconds in chunks:
                clock.now += seconds
                progress.update(done, -9.0)
            progress.end_epoch(record(epoch))
    rows = [line.split() for line in capsys.readouterr().err.splitlines()[2:]]
    assert [(row[0], row[-1]) for row in rows] == [("1/3", "00:08"), ("2/3", "00:06"), ("3/3", "00:00")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("first", [1, 11])
def test_a_terminal_has_a_row_an_epoch_and_a_bar_of_the_run(replaced, monkeypatch, first):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    records = [record(epoch) for epoch in range(first, 41)]
    monkeypatch.setattr("cvae_train._loop.progress.tqdm.monitor_interval", 0)
    run_epochs(replaced(epochs=40), records, Clock(), first=first)
    pieces = [piece for line in terminal.getvalue().split("\n") for piece in line.split("\r")]
    rows = [piece for piece in pieces if piece.lstrip().startswith(tuple(f"{n}/40 " for n in range(1, 41)))]
    assert [row.split()[0] for row in rows] == [f"{epoch}/40" for epoch in range(first, 41)]
    bars = [piece for piece in pieces if "|" in piece]
    assert bars
    assert max(map(len, bars)) <= 80
    assert bars[0].startswith(f"epoch {first}/40 |")
    assert bars[0].endswith("|   0%" if first == 1 else "|  25%")
    last = [bar for bar in bars if bar.startswith("epoch 40/40, train ELBO -78.31, 00:0")]
    assert last
    assert all("%" in bar for bar in last)


def test_quiet_shows_nothing(replaced, capsys):
    run_epochs(replaced(epochs=2), [record(1), record(2)], Clock(), quiet=True)
    assert capsys.readouterr().err == ""

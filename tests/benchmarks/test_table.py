import dataclasses

import pytest

from benchmarks._result import Comparison, Entry, Point
from benchmarks._table import figure, heading, legend, table, versus


def cells(text):
    """The cells of a table's rows, and the lines below it."""
    rows, _, notes = text.partition("\n\n")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.splitlines()], notes.splitlines()


def test_cells(sample):
    rows, notes = cells(table(sample))
    assert rows[0] == ["", "batch 1", "batch 64"]
    assert rows[2] == ["JAX, jit", "40.0 ±25% (2.00x)", "500 ±0% (0.80x)"]
    assert rows[5] == ["ours", "90.0 ±11%", "400 ±0%"]
    assert rows[8][2] == "9,000 ±0% (0.04x)"
    assert notes == [
        "- LiteRT: refused: wrong output at batch 1: off by 0.5, more than 1e-04",
        "- skipped: PyTorch & co",
    ]


def test_legend(sample):
    assert legend(sample) == (
        "images/s, higher is better; median of the rounds ± half the spread (how many times better ours is)"
    )


def test_missing_points_are_dashes(sample):
    entries = (*sample.entries[:1], Entry("new", "peer", (Point(64, (7.0,)),)))
    both = Comparison("c", "offline", "images/s", "higher", "batch", entries, "ours")
    assert cells(table(both))[0][3] == ["new", "-", "7.00"]


def test_headings(sample):
    assert heading(sample, 64) == "batch 64"
    assert heading(sample, "p99") == "p99"
    server = Comparison("c", "server", "images/s", "higher", "bound, ms", (), "ours")
    assert heading(server, 10.0) == "bound 10 ms"
    threads = Comparison("c", "offline", "images/s", "higher", "threads", (), "ours")
    assert [heading(threads, count) for count in (1, 2)] == ["1 thread", "2 threads"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_three_digits(sample, value, expected):
    assert figure(sample, value) == expected


@pytest.mark.parametrize("unit", ["nats", "bits", "dB"])
def test_logarithms_have_two_decimals(sample, unit):
    nats = dataclasses.replace(sample, unit=unit)
    assert [figure(nats, value) for value in (-72.4191, 66.9)] == ["-72.42", "66.90"]


def test_nats_have_differences_instead_of_ratios():
    entries = (Entry("a", "ours", (Point("x", (-72.0,)),)), Entry("b", "ours", (Point("x", (-77.5,)),)))
    points = [entry.points[0] for entry in entries]
    elbo = Comparison("c", "quality", "nats", "higher", "measure", entries, "a")
    nll = Comparison("c", "quality", "nats", "lower", "measure", entries, "a")
    rate = Comparison("c", "offline", "images/s", "higher", "batch", entries, "a")
    assert versus(elbo, *points) == "+5.50"
    assert versus(nll, *points) == "-5.50"
    assert versus(rate, Point(1, (3.0,)), Point(1, (2.0,))) == "1.50x"
    assert versus(rate, Point(1, (1.0,)), Point(1, (300.0,))) == "0.003x"
    assert versus(rate, Point(1, (1.0,)), Point(1, (0.0,))) == "-"

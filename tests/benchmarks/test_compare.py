import pytest

from benchmarks import _cli
from benchmarks._document import Document, write_document
from benchmarks._environment import environment
from benchmarks._result import Comparison, Entry, Point


def comparison(*, unit="images/s", better="higher", negligible=0.05, name="decoding, offline", **rounds):
    kinds = {"ours": "ours", "second": "ours", "peer": "peer", "top": "ceiling"}

    def entry(who, figures):
        if not figures:
            return Entry(who, kinds[who], status="failed", reason="exit code 1: no luck")
        return Entry(who, kinds[who], (Point(16, tuple(figures)),))

    entries = tuple(entry(who, figures) for who, figures in rounds.items())
    return Comparison(name, "offline", unit, better, "batch", entries, "ours", negligible)


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that compares two files with the command: the exit code, and the lines after the first."""

    def compare(before, after, **there):
        paths = []
        for date, parts in (("24", before), ("25", after)):
            where = {**environment(), "processor": "A Fast One", "cores": 2, **(there if date == "25" else {})}
            paths.append(tmp_path / f"{date}.json")
            document = Document(f"2026-11-{date}T10:00:00Z", False, where, {"inference": parts})
            write_document(document, paths[-1])
        code = _cli.main(["compare", *map(str, paths)])
        said = capsys.readouterr()
        lines = said.out.splitlines()
        if code != 1:
            assert lines[0].startswith(f"{paths[0]} (2026-11-24, A Fast One, 2 cores) to {paths[1]} (2026-11-25, ")
        return code, lines[1:], said.err

    return compare


STEADY = [100.0, 100.0, 100.0, 100.0, 100.0]


NOISY, FEW = [90.0, 95.0, 100.0, 105.0, 110.0], [90.0, 100.0, 110.0]  # spreads of 10%


def times(factor, rates):
    return [factor * rate for rate in rates]


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ({"ours": STEADY, "peer": STEADY}, {"ours": STEADY, "peer": STEADY}, 0, "1.00x +-  5% same   {}: ours"),
        ({"ours": STEADY}, {"ours": times(0.8, STEADY)}, 3, "0.80x +-  5% worse  {}: ours"),
        ({"second": STEADY}, {"second": times(1.2, STEADY)}, 0, "1.20x +-  5% better {}: second"),
        ({"ours": NOISY}, {"ours": times(0.85, NOISY)}, 0, "0.85x +- 20% same   {}: ours"),
        ({"ours": FEW}, {"ours": times(0.75, FEW)}, 0, "0.75x +- 40% same   {}: ours"),
        ({"peer": STEADY}, {"peer": times(0.5, STEADY)}, 0, "0.50x +-  5% worse  {}: peer"),
        ({"second": STEADY}, {"second": []}, 3, " gone             {}: second"),
    ],
)  # fmt: skip
def test_changes(run, before, after, code, line):
    found, lines, _ = run([comparison(**{"ours": STEADY, **before})], [comparison(**{"ours": STEADY, **after})])
    assert found == code
    assert f"  {line.format('inference: decoding, offline, batch 16')}" in lines
    assert lines[-1].endswith(", 1 regressions of ours" if code else ", no regression of ours")


def test_slower_machine_is_no_regression(run):
    before = comparison(ours=STEADY, top=times(2, STEADY))
    code, lines, _ = run([before], [comparison(ours=times(0.5, STEADY), top=STEADY)])
    assert code == 0
    assert lines[0] == "  1.00x +-  5% same   inference: decoding, offline, batch 16: ours, as share of the ceiling"
    assert run([before], [comparison(ours=times(0.4, STEADY), top=STEADY)])[0] == 3


def test_longer_times_are_worse(run):
    short, long = ([comparison(unit="ms", better="lower", ours=times(factor, STEADY))] for factor in (1.0, 1.3))
    assert (run(short, long)[0], run(long, short)[0]) == (3, 0)


def test_missing_questions_are_not_compared(run):
    before = [comparison(ours=STEADY), comparison(name="encoding, offline", ours=STEADY)]
    assert run(before, before[:1])[1][-1] == "1 figures compared, no regression of ours"
    assert run(before, before)[1][-1] == "2 figures compared, no regression of ours"


def test_other_processor_is_noted(run):
    code, lines, _ = run([comparison(ours=STEADY)], [comparison(ours=STEADY)], processor="A Slow One")
    assert (code, lines[0]) == (0, "the processors differ, which may explain the changes")


def test_files_without_common_figures(run, tmp_path):
    code, _, said = run([comparison(ours=STEADY)], [comparison(name="encoding, offline", ours=STEADY)])
    assert code == 1
    assert said == (
        f"python -m benchmarks compare: {tmp_path / '24.json'} and {tmp_path / '25.json'} have no figure in common: "
        "expected the same questions with the same options; found inference and inference\n"
    )


def test_invalid_file_exits_with_1(tmp_path, capsys):
    assert _cli.main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 1
    assert capsys.readouterr().err.startswith(
        f"python -m benchmarks compare: {tmp_path / 'a.json'} cannot be read as JSON: "
    )

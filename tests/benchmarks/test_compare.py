import dataclasses

import pytest

from benchmarks import _cli
from benchmarks._document import Document, write_document
from benchmarks._environment import environment
from benchmarks._result import Comparison, Entry, Point


def comparison(*, unit="images/s", better="higher", negligible=0.05, name="decoding, offline", **rounds):
    kinds = {"ours": "ours", "second": "ours", "peer": "peer", "top": "ceiling"}
    entries = tuple(Entry(who, kinds[who], (Point(16, tuple(figures)),)) for who, figures in rounds.items())
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


def test_equal_figures_are_no_regression(run):
    before = [comparison(ours=STEADY, peer=STEADY)]
    assert run(before, before) == (
        0,
        [
            "  1.00x +-  5% same   inference: decoding, offline, batch 16: ours",
            "2 figures compared, no regression of ours",
        ],
        "",
    )


def test_worse_than_noise_is_a_regression(run):
    after = [comparison(ours=[80.0] * 5, second=[120.0] * 5, peer=STEADY)]
    before = [comparison(ours=STEADY, second=STEADY, peer=STEADY)]
    assert run(before, after) == (
        3,
        [
            "  0.80x +-  5% worse  inference: decoding, offline, batch 16: ours",
            "  1.20x +-  5% better inference: decoding, offline, batch 16: second",
            "3 figures compared, 1 regressions of ours",
        ],
        "",
    )


def test_change_within_spreads_is_noise(run):
    noisy = [90.0, 95.0, 100.0, 105.0, 110.0]  # 10 % each
    after = [comparison(ours=[0.85 * rate for rate in noisy])]
    code, lines, _ = run([comparison(ours=noisy)], after)
    assert code == 0
    assert lines[0] == "  0.85x +- 20% same   inference: decoding, offline, batch 16: ours"


def test_few_rounds_double_the_noise(run):
    few = [90.0, 100.0, 110.0]
    code, lines, _ = run([comparison(ours=few)], [comparison(ours=[0.75 * rate for rate in few])])
    assert code == 0
    assert lines[0] == "  0.75x +- 40% same   inference: decoding, offline, batch 16: ours"


def test_slower_machine_is_no_regression(run):
    before = [comparison(ours=STEADY, top=[200.0] * 5)]
    halved = [comparison(ours=[50.0] * 5, top=[100.0] * 5)]
    code, lines, _ = run(before, halved)
    assert code == 0
    assert lines[0] == ("  1.00x +-  5% same   inference: decoding, offline, batch 16: ours, as share of the ceiling")
    code, lines, _ = run(before, [comparison(ours=[40.0] * 5, top=[100.0] * 5)])
    assert code == 3
    assert lines[0].startswith("  0.80x +-  5% worse ")


def test_longer_times_are_worse(run):
    def starts(milliseconds):
        return [comparison(unit="ms", better="lower", ours=[milliseconds] * 5)]

    assert run(starts(100.0), starts(130.0))[0] == 3
    assert run(starts(130.0), starts(100.0))[0] == 0


def test_worse_peer_is_no_regression(run):
    code, lines, _ = run([comparison(ours=STEADY, peer=STEADY)], [comparison(ours=STEADY, peer=[50.0] * 5)])
    assert code == 0
    assert lines[1] == "  0.50x +-  5% worse  inference: decoding, offline, batch 16: peer"


def test_missing_figure_is_a_regression(run):
    gone = comparison(ours=STEADY, second=STEADY)
    failed = Entry("second", "ours", status="failed", reason="exit code 1: no luck")
    gone = dataclasses.replace(gone, entries=(gone.entries[0], failed))
    code, lines, _ = run([comparison(ours=STEADY, second=STEADY)], [gone])
    assert code == 3
    assert lines[1] == "   gone             inference: decoding, offline, batch 16: second"


def test_missing_questions_are_not_compared(run):
    before = [comparison(ours=STEADY), comparison(name="encoding, offline", ours=STEADY)]
    code, lines, _ = run(before, before[:1])
    assert code == 0
    assert lines[-1] == "1 figures compared, no regression of ours"


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

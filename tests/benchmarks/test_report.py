import dataclasses
import re

import pytest
from PIL import Image

from benchmarks import _chart, _cli
from benchmarks._document import Document, write_document
from benchmarks._environment import environment
from benchmarks._report import write_report
from benchmarks._result import Comparison, Entry, Point
from benchmarks._table import legend, table


def comparison(name, places, unit="ms", better="lower", **rows):
    kinds = {"ours": "ours", "floor": "ceiling"}
    entries = tuple(
        Entry(who, kinds.get(who, "peer"), tuple(Point(at, (value,)) for at, value in zip(places, values, strict=True)))
        for who, values in rows.items()
    )
    return Comparison(name, "x", unit, better, "axis", entries, "ours")


@pytest.fixture
def document(sample):
    lines = comparison("by axis", (1, 4, 16), "images/s", "higher", ours=(10, 40, 90), peer=(20, 30, 50))
    dots = comparison("percentiles", ("p50", "p99"), ours=(1, 2), peer=(3, 9))
    size = comparison("size <of> it", ("on the disk",), "MB", ours=(170,), peer=(2000,))
    nothing = comparison("nothing", ())
    questions = {"inference": [sample, lines, dots], "startup": [size, nothing], "quality": [nothing], "unheard": []}
    return Document("2026-11-25T16:00:00Z", True, environment(), questions)


def test_report(document, tmp_path):
    write_document(document, tmp_path / "r.json")
    assert _cli.main(["report", str(tmp_path / "r.json"), str(tmp_path / "page.md")]) == 0
    page = (tmp_path / "page.md").read_text()
    for comparisons in document.questions.values():
        for each in comparisons:
            for expected in (f"### {each.name}\n\n{legend(each)}\n\n", f"\n\n{table(each)}\n"):
                assert expected.replace("<", "&lt;") in page
    pictures = re.findall(r"!\[.+\]\((.+)\)", page)
    assert pictures == [f"page/{name}.png" for name in ("inference-1", "inference-2", "inference-3", "startup-1")]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")) == pictures
    for name in pictures:
        with Image.open(tmp_path / name) as picture:
            assert picture.width == 800
    headings = re.findall(r"^## (.+)", page, re.MULTILINE)
    assert headings == ["Inference", "Startup", "Quality", "Unheard"]
    assert document.environment["processor"] in page


def test_quick_run_is_marked(document, tmp_path):
    warning = "A quick run with few and short rounds: do not quote these figures."
    for quick in (True, False):
        write_report(dataclasses.replace(document, quick=quick, questions={}), tmp_path / "page.md")
        assert (warning in (tmp_path / "page.md").read_text()) == quick


def test_lines_are_medians_and_dots_have_rows(document):
    _, lines, dots = document.questions["inference"]
    figure = _chart.Figure()
    along, rows = figure.subplots(1, 2)
    _chart._lines(along, lines)
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in along.lines}
    assert drawn == {"ours": ([1, 4, 16], [10, 40, 90]), "peer": ([1, 4, 16], [20, 30, 50])}
    assert [text.get_text() for text in along.get_legend().get_texts()] == ["ours", "peer"]
    _chart._dots(rows, dots)
    assert [label.get_text() for label in rows.get_yticklabels()] == ["ours", "peer"]
    assert sorted(bars[0].get_xdata()[0] for bars in rows.containers) == [1, 2, 3, 9]
    assert (rows.get_xscale(), rows.get_xlabel()) == ("log", "ms")


def test_lowest_ceiling_is_drawn(sample):
    names = [entry.name for entry in _chart._drawn(sample)]
    assert [name for name in names if "ceiling" in name] == ["the ceiling: products"]

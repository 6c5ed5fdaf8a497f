import dataclasses
import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks import _cli
from benchmarks._chart import chart, family
from benchmarks._document import Document, write_document
from benchmarks._environment import environment
from benchmarks._report import report
from benchmarks._result import Comparison, Entry, Point


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
    bars = comparison("size <of> it", ("on the disk",), "MB", ours=(170,), peer=(2000,))
    elbos = comparison("ELBO", ("ELBO",), "nats", "higher", ours=(-72.4,), peer=(-77.3,))
    questions = {"inference": [sample, lines, dots], "startup": [bars], "quality": [elbos], "unheard": []}
    return Document("2026-11-25T16:00:00Z", True, environment(), questions)


def elements(page, name):
    return [element for element in ET.fromstring(page).iter() if element.tag == name]


def words(element):
    return "".join(element.itertext())


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(document):
    page = report(document)
    assert page.startswith("<!DOCTYPE html>\n<html ")
    ET.fromstring(page)  # every element is closed, every character that must be is escaped
    assert not re.search(r"https?:|//|<script|<link|<img|@import|url\(|src=", page)
    links = {element.get("href") for element in elements(page, "a")}
    assert links == {"#inference", "#startup", "#quality"}
    assert {f"#{element.get('id')}" for element in elements(page, "h2")} >= links
    assert "prefers-color-scheme: dark" in page


def test_every_comparison_has_a_picture_with_a_sentence_and_all_its_figures(document):
    figures = elements(report(document), "figure")
    assert [words(figure.find("figcaption/h3")) for figure in figures] == [
        *("decoding, offline", "by axis", "percentiles", "size <of> it", "ELBO")
    ]
    assert all(len(figure.findall(".//svg")) == 1 for figure in figures)
    assert [words(figure.find("figcaption/p")) for figure in figures] == [
        "ours is ahead of OpenVINO, f32 at batch 1 (1.60x); behind JAX, jit at batch 64 (0.80x).",
        "ours is ahead of peer at axis 4 (1.33x) and axis 16 (1.80x); behind peer at axis 1 (0.50x).",
        "ours is ahead of peer at p50 (3.00x) and p99 (4.50x).",
        "ours is ahead of peer (11.76x).",
        "ours is ahead of peer (+4.90).",
    ]
    rows = [[words(cell) for cell in row] for row in figures[0].findall(".//table/tr")]
    assert rows[0] == ["images/s, higher is better", "batch 1", "batch 64"]
    assert rows[4] == ["ours", "90.0 · ±11% · 1.60x · 80% of the ceiling", "400 · ±0% · 0.80x · 40% of the ceiling"]
    assert rows[8] == ["PyTorch & co", "skipped: not installed: No module named 'torch'"]
    assert rows[9] == ["LiteRT", "refused: wrong output at batch 1: off by 0.5, more than 1e-04"]


def test_a_quick_look_is_called_one_and_the_machine_is_described(document):
    page = report(document)
    assert "A quick look: few and short rounds, nothing to quote." in page
    full = report(dataclasses.replace(document, quick=False))
    assert "A quick look" not in full
    facts = [words(element) for element in elements(page, "dd")]
    assert document.environment["processor"] in facts
    assert "2026-11-25T16:00:00Z" in facts


def drawn(each):
    return ET.fromstring(chart(each))


def test_along_an_axis_of_numbers_lines_are_drawn_with_a_name_each(document):
    svg = drawn(document.questions["inference"][1])
    lines = [element for element in svg.iter("polyline") if element.get("class").startswith("line")]
    assert [line.get("class") for line in lines] == ["line other", "line ours mine"]  # ours is on top
    assert all(len(line.get("points").split()) == 3 for line in lines)
    heights = [[float(point.split(",")[1]) for point in line.get("points").split()] for line in lines]
    assert heights[0][0] < heights[1][0]  # the peer is faster at first: higher up
    assert heights[0][2] > heights[1][2]
    assert {text.text for text in svg.iter("text") if text.get("class").startswith("name")} == {"ours", "peer"}


def test_a_single_place_is_drawn_as_bars_from_zero_best_first(document):
    svg = drawn(document.questions["startup"][0])
    bars = list(svg.iter("rect"))
    assert [bar.get("class") for bar in bars] == ["ours mine", "other"]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[0] / widths[1] == pytest.approx(170 / 2000, abs=0.001)
    assert [words(bar) for bar in bars] == ["ours, on the disk: 170 MB", "peer, on the disk: 2,000 MB"]


def test_percentiles_and_nats_are_drawn_as_dots(document):
    svg = drawn(document.questions["inference"][2])
    dots = [element for element in svg.iter("circle") if "key" not in element.get("class")]
    assert [words(dot) for dot in dots] == [
        "ours, p50: 1.00 ms",
        "ours, p99: 2.00 ms",
        "peer, p50: 3.00 ms",
        "peer, p99: 9.00 ms",
    ]
    places = [float(dot.get("cx")) for dot in dots]
    assert places == sorted(places)
    assert len(list(drawn(document.questions["quality"][0]).iter("circle"))) == 2


def test_of_several_ceilings_the_one_that_binds_is_drawn(sample):
    # Two places only: dots.
    names = {text.text for text in drawn(sample).iter("text") if text.get("class").startswith("name")}
    assert "the ceiling: products" in names
    assert "the ceiling: copies" not in names


def test_colours_are_a_framework_s(sample):
    assert [family(entry) for entry in sample.entries] == [
        *("jax", "openvino", "openvino", "ours", "ours-fewer", "ceiling", "ceiling", "pytorch", "litert")
    ]


def test_imports_have_their_framework_s_colour():
    assert [family(Entry(f"import {name}", "peer")) for name in ("torch", "tensorflow", "json")] == [
        *("pytorch", "tensorflow", "other")
    ]


def test_the_command_draws_the_report_of_a_file(document, tmp_path):
    write_document(document, tmp_path / "r.json")
    assert _cli.main(["report", str(tmp_path / "r.json"), str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text() == report(document)

import copy
import json

import jsonschema
import pytest

from benchmarks._document import SCHEMA, Document, DocumentError, read_document, write_document
from benchmarks._environment import environment
from benchmarks._result import Comparison, Entry, Point


@pytest.fixture
def document(sample):
    return Document("2026-11-25T16:00:00Z", True, environment(), {"inference": [sample], "training": []})


def test_write_and_read(document, tmp_path):
    write_document(document, tmp_path / "r.json")
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))
    jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), json.loads(SCHEMA.read_text()))
    assert read_document(tmp_path / "r.json") == document


def test_statistics_are_written(document):
    (comparison,) = document.to_json()["questions"][0]["comparisons"]
    ours = next(entry for entry in comparison["entries"] if entry["name"] == "ours")
    assert ours["points"][0] == {
        "at": 1,
        "rounds": [90.0, 80.0, 100.0],
        "latency": {"p50": 0.001, "p90": 0.002, "p99": 0.003},
        "median": 90.0,
        "lowest": 80.0,
        "highest": 100.0,
        "quartiles": [85.0, 95.0],
        "ratio_to_best_peer": 1.6,
        "share_of_ceiling": 0.8,
    }
    absent = comparison["entries"][-1]
    assert (absent["status"], absent["points"]) == ("refused", [])
    assert absent["reason"] == "wrong output at batch 1: off by 0.5, more than 1e-04"


def broken(data, change):
    data = copy.deepcopy(data)
    change(data, data["questions"][0]["comparisons"][0]["entries"][3])
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data, _: data.update(format=2), "$.format: 1 was expected"),
        (lambda data, _: data.pop("date"), "$: 'date' is a required property"),
        (lambda data, _: data.update(more=1), "$: Additional properties are not allowed ('more' was unexpected)"),
        (
            lambda _, entry: entry.update(kind="friend"),
            "$.questions[0].comparisons[0].entries[3].kind: 'friend' is not one of ['ours', 'peer', 'ceiling']",
        ),
        (
            lambda _, entry: entry.update(points=[]),
            "$.questions[0].comparisons[0].entries[3].points: [] should be non-empty",
        ),
        (
            lambda _, entry: entry["points"][0].update(rounds=[]),
            "$.questions[0].comparisons[0].entries[3].points[0].rounds: [] should be non-empty",
        ),
    ],
)
def test_invalid_files_name_the_place(document, tmp_path, change, message):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(broken(document.to_json(), change)))
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    assert str(caught.value) == (
        f"{path} is no result file of the benchmarks: {message}; expected format 1, as python -m benchmarks QUESTION --json "
        "writes it: measure again"
    )


def test_missing_or_invalid_json(tmp_path):
    path = tmp_path / "r.json"
    with pytest.raises(DocumentError, match="r.json cannot be read as JSON: .*No such file"):
        read_document(path)
    path.write_text("{")
    with pytest.raises(DocumentError, match="r.json cannot be read as JSON: Expecting property name"):
        read_document(path)


def test_rate_of_0_has_no_ratio(tmp_path):
    entries = tuple(
        Entry(name, kind, (Point(10, (rate,)),)) for name, kind, rate in [("a", "ours", 5.0), ("b", "peer", 0.0)]
    )
    server = Comparison("server", "server", "images/s", "higher", "bound, ms", entries, "a")
    document = Document("2026-11-25T16:00:00Z", False, environment(), {"inference": [server]})
    write_document(document, tmp_path / "r.json")
    assert read_document(tmp_path / "r.json") == document
    (comparison,) = document.to_json()["questions"][0]["comparisons"]
    assert comparison["entries"][0]["points"][0]["ratio_to_best_peer"] is None

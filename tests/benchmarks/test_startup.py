import importlib.metadata
import sys

import pytest

from benchmarks import startup
from benchmarks._installed import installed_bytes, requirements
from benchmarks._process import ContenderError

PASS = [sys.executable, "-c", "pass"]


def test_time_and_memory_of_a_process():
    slept = startup.Start([sys.executable, "-c", "import time; time.sleep(0.2)"])
    large = startup.Start([sys.executable, "-c", "x = b'1' * 100_000_000"])
    assert slept.seconds >= 0.2
    # A bare Python takes about 10 MB; the test process, with TensorFlow, hundreds.
    assert 1 < slept.megabytes < 60
    assert 100 < large.megabytes < 160


def test_moments_are_seconds_since_the_start():
    program = "import json, time; a = time.time(); time.sleep(0.1); print('noise'); print(json.dumps([a, time.time()]))"
    start = startup.Start([sys.executable, "-c", program])
    first, second = start.moments
    assert 0 <= first <= second - 0.1 <= start.seconds
    assert startup.Start(PASS).moments == []


@pytest.mark.parametrize(
    ("program", "status", "reason"),
    [
        (
            "import a_package_that_is_not_there",
            "skipped",
            "not installed: No module named 'a_package_that_is_not_there'",
        ),
        ("raise SystemExit('no luck')", "failed", "exit code 1: no luck"),
        ("raise SystemExit(3)", "failed", "exit code 3: no message"),
    ],
)
def test_failed_starts_have_reasons(program, status, reason):
    with pytest.raises(ContenderError) as caught:
        startup.Start([sys.executable, "-c", program])
    assert (caught.value.status, str(caught.value)) == (status, reason)


def test_commands_start_once_per_round(progress, printed):
    missing = [sys.executable, "-c", "import a_package_that_is_not_there"]
    named = {startup.BARE: ("ceiling", PASS), "import nothing": ("peer", missing)}
    starts, out = startup.measure(named, 2, progress, "commands")
    assert {name: len(each) for name, each in starts.items()} == {startup.BARE: 2}
    assert str(out["import nothing"]) == "not installed: No module named 'a_package_that_is_not_there'"
    assert printed.getvalue().splitlines() == [
        "commands, once for the file cache",
        "import nothing: skipped: not installed: No module named 'a_package_that_is_not_there'",
        "commands",
    ]


def test_commands_start(tmp_path):
    named = startup.commands(str(tmp_path))
    for name in ("cvae-generate --help", startup.GENERATE, "import cvae_runtime"):
        startup.Start(named[name][1])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_ways_print_their_moments(tmp_path):
    startup.prepare(str(tmp_path))
    ways = startup.ways(str(tmp_path), None)
    assert list(ways) == [startup.OURS, "onnxruntime alone", "TensorFlow, SavedModel"]
    for _, command in ways.values():
        moments = startup.Start(command).moments
        assert len(moments) == len(startup.MOMENTS)
        assert moments == sorted(moments)
    assert list(startup.ways(str(tmp_path), ["flow"])) == [startup.OURS, "TensorFlow, SavedModel"]


def test_requirements():
    needed = requirements("cvae-toolkit", ["cpu"])
    assert {"cvae-toolkit", "numpy", "pillow", "click", "onnxruntime"} <= needed
    assert "tensorflow" not in needed
    assert "onnxruntime" not in requirements("cvae-toolkit")
    assert {"tensorflow", "keras", "numpy"} <= requirements("cvae-toolkit", ["train"])
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        requirements("a-package-that-is-not-there")


def test_installed_bytes():
    (click,) = (d for d in importlib.metadata.distributions() if d.name == "click")
    files = [file.locate() for file in click.files]
    assert installed_bytes(["click"]) == sum(file.stat().st_size for file in files if file.is_file()) > 100_000


def test_sizes_of_installations():
    found = startup.sizes(["TensorFlow"])
    ours, theirs = (entry.points[0].median for entry in found.entries)
    assert [entry.name for entry in found.entries] == [startup.OURS, "TensorFlow"]
    assert 1 < ours < theirs


def test_comparisons(monkeypatch, progress):
    monkeypatch.setattr(startup, "prepare", lambda _folder: None)
    program = "import json, time; print(json.dumps([time.time()] * 3))"
    monkeypatch.setattr(startup, "ways", lambda *_: {startup.OURS: ("ours", [sys.executable, "-c", program])})
    monkeypatch.setattr(startup, "commands", lambda _: {startup.GENERATE: ("ours", PASS)})
    found = list(startup.run(quick=True, progress=progress, peers=["nobody"]))
    assert [(each.name, each.unit) for each in found] == [
        ("time to the first image", "ms"),
        ("memory for the first image", "MB"),
        ("commands and imports, time", "ms"),
        ("commands and imports, memory", "MB"),
        ("installed size", "MB"),
    ]
    assert found[0].places == startup.MOMENTS
    assert [len(point.rounds) for point in found[0].entries[0].points] == [3, 3, 3]
    assert all(each.better == "lower" for each in found)

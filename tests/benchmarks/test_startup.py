import sys

from benchmarks import __main__ as command
from benchmarks import startup


def test_a_process_s_time_and_memory_are_its_own():
    pause = "import time; time.sleep(0.2)"
    seconds, megabytes = startup.start([sys.executable, "-c", pause])
    _, more = startup.start([sys.executable, "-c", "x = b'1' * 100_000_000"])
    assert seconds >= 0.2
    # A bare Python takes about 10 MB; the process of the tests, which holds TensorFlow, hundreds.
    assert 1 < megabytes < 60
    assert 100 < more < 160


def test_every_command_is_started_once_a_round_and_failures_are_skipped_with_the_reason():
    named = {
        startup.BARE: [sys.executable, "-c", "pass"],
        "import nothing": [sys.executable, "-c", "import a_package_that_is_not_there"],
    }
    lines = []
    starts = startup.measure(named, rounds=2, log=lines.append)
    assert {name: len(times) for name, times in starts.seconds.items()} == {startup.BARE: 2}
    assert {name: len(sizes) for name, sizes in starts.megabytes.items()} == {startup.BARE: 2}
    assert starts.to_json()["skipped"] == {
        "import nothing": "failed with exit code 1: ModuleNotFoundError: No module named 'a_package_that_is_not_there'"
    }
    assert lines == [f"starting {startup.BARE}", "starting import nothing", "round 1 of 2", "round 2 of 2"]


def test_the_table_has_medians_and_what_a_bare_python_does_not_take():
    seconds = {startup.BARE: [0.010, 0.030, 0.020], "import x": [0.110, 0.180, 0.220]}
    memory = {startup.BARE: [10.0, 10.0, 11.0], "import x": [30.0, 31.0, 32.0]}
    lines = startup.table(startup.Starts(seconds, memory, {"import y": "failed"})).splitlines()
    assert lines[0].split() == ["wall-clock", "without", "bare", "Python", "memory"]
    assert lines[1].split() == [*startup.BARE.split(), "20", "ms", "+-50%", "0", "ms", "10", "MB"]
    # Beyond a bare Python: 100, 150 and 200 ms.
    assert lines[2].split() == ["import", "x", "180", "ms", "+-31%", "150", "ms", "31", "MB"]
    assert lines[3].split() == ["import", "y", "skipped:", "failed"]


def test_the_package_s_commands_start(tmp_path):
    named = startup.commands(str(tmp_path))
    for name in ("cvae-generate --help", "cvae-generate -n 1 -o x.png", "import cvae_runtime"):
        startup.start(named[name])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_the_table(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(startup, "commands", lambda _folder: {startup.BARE: [sys.executable, "-c", "pass"]})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "startup", "--quick", "--json", str(tmp_path / "r.json")])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("start-up, warm file cache; ")
    assert lines[1] == startup.LEGEND
    assert lines[3].startswith(startup.BARE)
    assert (tmp_path / "r.json").read_text().count("0.") >= 3

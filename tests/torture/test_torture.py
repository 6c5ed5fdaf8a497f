"""Short runs of the torture campaign, and defects that it must find."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cvae_runtime as cvae
from scripts import lowest
from scripts.torture import __main__ as torture
from scripts.torture import bundles, numbers, places
from scripts.torture._arguments import LINES, read_arguments
from scripts.torture._counts import Counts, rng_of, until
from scripts.torture._damage import damaged_json
from scripts.torture._jobs import Job, named
from scripts.torture._parts import outcome_of
from scripts.torture._processes import says_why
from scripts.torture._readers import Reader, readers
from scripts.torture.corpus import keep, read_corpus
from scripts.torture.inputs import attempt, mutated

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the campaign in this process and returns its exit code and stdout."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["torture", *arguments])
        with pytest.raises(SystemExit) as caught:
            torture.main()
        return caught.value.code, capsys.readouterr().out

    return run


def test_numbers_are_compared_and_counted():
    command = [sys.executable, "-m", "scripts.torture", "numbers", "--seconds", "0", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("seed 3", "0 defects")
    counted = dict(re.fullmatch(r" +([0-9,]+)  (.*)", line).groups()[::-1] for line in lines if line.startswith("   "))
    ways = ("batch splits", "processes", "repeats", "streams", "thread counts and restarts")
    assert len({counted[f"samples compared: {way}"] for way in ways}) == 1


def test_a_defect_is_printed_and_exits_with_1(run, monkeypatch):
    def attack(seconds, seed):
        counts = Counts()
        counts.add("fine", 2)
        counts.defect("thing", f"broken for\n{seconds:g} s, seed {seed}")
        return counts

    monkeypatch.setattr(numbers, "run_attack", attack)
    code, out = run("numbers", "--seconds", "5", "--seed", "7")
    assert code == 1
    assert re.sub("in [0-9]+ seconds", "in 0 seconds", out) == (
        "seed 7\n\nnumbers: 3 attempts in 0 seconds\n          2  fine\n          1  thing: DEFECT\n"
        "  defect  thing: broken for 5 s, seed 7\n\n1 defects\n"
    )


def test_other_samples_are_a_defect(monkeypatch):
    counts = Counts()
    with cvae.load(provider="cpu") as model:
        generate = cvae.Model.generate
        monkeypatch.setattr(
            cvae.Model, "generate", lambda self, count, **options: generate(self, count, **options) * (self is model)
        )
        numbers._compare(model, rng_of(1), counts, languages=False)
    assert [line.split(":")[0] for line in counts.defects] == ["thread counts and restarts"]


def test_outcomes_of_damaged_bundles():
    counts = bundles.run_attack(0, 5)  # in another process, to record crashes and hangs
    assert (counts.defects, counts.attempts) == ([], 40)
    assert set(counts.outcomes) == {"bundles: read", "bundles: refused"}


@pytest.mark.parametrize("name", readers())
def test_readers_accept_valid_files_only(name, tmp_path):
    reader = readers()[name]
    path = tmp_path / reader.file
    outcomes = []
    for data in (*reader.whole, b"no such file"):
        path.write_bytes(data)
        outcomes.append(attempt(reader, path))
    assert outcomes == ["read"] * len(reader.whole) + ["refused"]


def test_corpus_has_inputs_for_every_reader():
    assert sorted(read_corpus()) == sorted(name for name in readers() if name not in ("idx.gz", "npy mapped"))


@pytest.mark.parametrize("name", read_corpus())
def test_corpus_inputs_are_read_or_refused(name, tmp_path):
    reader, outcomes = readers()[name], set()
    path = tmp_path / reader.file
    for data in read_corpus()[name]:
        path.write_bytes(data)
        outcomes.add(attempt(reader, path))
    assert outcomes <= {"read", "refused"}


def test_keep_replaces_inputs_of_the_given_readers(tmp_path):
    path, folder = tmp_path / "corpus.zip", tmp_path / "found"
    for reader, name, data in [("a", "2", b"one"), ("a", "1", b"two"), ("b", "1", b"three")]:
        (folder / reader).mkdir(parents=True, exist_ok=True)
        (folder / reader / name).write_bytes(data)
    keep(folder, path)
    assert read_corpus(path) == {"a": [b"one", b"two"], "b": [b"three"]}
    before = path.read_bytes()
    keep(folder, path)
    assert path.read_bytes() == before
    shutil.rmtree(folder / "b")
    (folder / "a" / "1").unlink()
    keep(folder, path)
    assert read_corpus(path) == {"a": [b"one"], "b": [b"three"]}


def test_command_lines_write_nothing(tmp_path):
    path = tmp_path / "arguments"
    codes = []
    for line in LINES:
        path.write_bytes("\0".join(line).encode())
        codes.append(attempt(readers()["arguments"], path))
    assert set(codes) == {"read"}
    assert [file.name for file in tmp_path.iterdir()] == ["arguments"]


def test_undocumented_exit_is_a_defect(tmp_path, monkeypatch):
    monkeypatch.setattr(cvae.cli, "run", lambda _: sys.exit(7))
    (tmp_path / "arguments").write_bytes(b"cvae-encode\0x")
    with pytest.raises(AssertionError, match="^exit 7: $"):
        read_arguments(tmp_path / "arguments")


def test_seed_determines_mutations():
    reader = readers()["npy"]
    assert mutated(reader, rng_of(1)) == mutated(reader, rng_of(1)) != mutated(reader, rng_of(2))


def test_short_json_can_be_damaged():
    damaged = {damaged_json(b'{"a": 1}', rng_of(seed)) for seed in range(60)}
    assert {b"{}", b'{"a": [1]}'} <= damaged


def test_other_errors_are_defects(tmp_path):
    def read(_):
        raise KeyError("x")

    assert outcome_of(attempt, Reader("a", (), read), tmp_path / "a") == "KeyError: 'x'"


@pytest.mark.parametrize(
    ("code", "text", "documented"),
    [
        (0, "", True),
        (1, "Error: x: no space\n", True),
        (5, "Error: no bundle\n", True),
        (1, "Traceback (most recent call last):\nError: x", False),
        (1, "Error: KeyError: 'x'; this is unexpected: run the command again with -v, and", False),
        (1, "", False),
        (-9, "Error: killed", False),
        (None, "Error: too long", False),
    ],
)
def test_documented_exits(code, text, documented):
    assert says_why(code, text) is documented


def test_at_least_one_attempt():
    assert list(until(-1.0)) == [0]


def test_hidden_files_are_not_final(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in (".a.0123abcd.tmp", "b", "samples/c"):
        (tmp_path / name).touch()
    assert [path.name for path in named(tmp_path)] == ["b", "c"]
    assert named(tmp_path / "none") == []


def test_lower_bounds_become_pins():
    assert lowest.lowest(["numpy>=2.0", "ray[data]>=2.50"]) == ["numpy==2.0", "ray==2.50"]
    with pytest.raises(ValueError, match="numpy: expected NAME>=VERSION"):
        lowest.lowest(["numpy"])


@pytest.mark.parametrize(("keeps", "code", "message"), [(False, 1, " is gone"), (True, 0, "exit 0: ")])
def test_replacing_files_of_others_is_a_defect(keeps, code, message, tmp_path, monkeypatch):
    job = Job("job", ("cvae-x", "--resume", "-o"), "out", lambda _: None, lambda _: {})
    assert (job.resumes, job.anew(tmp_path)) == (True, ["cvae-x", "--overwrite", "-o", str(tmp_path / "out")])

    def start(command, log):
        log.write_text("Error: refused\n")
        if not keeps:
            shutil.rmtree(command[-1])

    monkeypatch.setattr(places, "finish", lambda job, folder, _: (folder / job.target).mkdir(exist_ok=True))
    monkeypatch.setattr(places, "start", start)
    monkeypatch.setattr(places, "end", lambda _: code)
    rng = rng_of(1)
    monkeypatch.setattr(rng, "random", lambda: 0.0)  # the other's file is there before
    with pytest.raises(AssertionError, match=f"{message}$|{message}Error"):
        places._files_of_others(job, tmp_path, rng, {})

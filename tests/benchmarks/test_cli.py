import importlib
import sys
import types

import pytest

from benchmarks import _cli
from benchmarks._document import read_document
from benchmarks._process import ContenderError


@pytest.fixture
def asked(monkeypatch, sample):
    """Two questions that answer at once; returns the arguments of their run()."""
    given = []

    def question(name, options):
        module = types.ModuleType(f"benchmarks.{name}", f"Who asks {name}?")
        module.OPTIONS = options

        def run(*, progress, **known):
            given.append((name, known))
            progress.stage("a stage", 1)
            progress.step("a step")
            yield sample
            yield f"a profile of {name}"

        module.run = run
        return module

    modules = {"first": question("first", ("peers", "batch")), "second": question("second", ("seconds",))}
    modules["second"].add_options = lambda parser: parser.add_argument("--only-here", action="store_true")
    monkeypatch.setattr(_cli, "QUESTIONS", tuple(modules))
    monkeypatch.setattr(_cli, "question_module", lambda name: modules[name])
    return given


def test_questions_have_the_required_names():
    for name in _cli.QUESTIONS:
        module = _cli.question_module(name)
        assert module is importlib.import_module(f"benchmarks.{name}")
        assert set(module.OPTIONS) <= {"peers", "batch", "threads", "seconds"}
        assert callable(module.run)


def test_results_are_printed_and_written(asked, capsys, tmp_path):
    out, page = tmp_path / "r.json", tmp_path / "r.md"
    options = ["--quick", "--peers", "JAX", "Open", "--batch", "1", "64", "--json", str(out), "--report", str(page)]
    assert _cli.main(["first", *options]) == 0
    assert asked == [("first", {"quick": True, "peers": ["JAX", "Open"], "batch": [1, 64]})]
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].endswith(" cores")
    assert lines[2].startswith("decoding, offline: images/s, higher is better; ")
    assert lines[-1] == "a profile of first"
    assert said.err.splitlines() == ["first (1 of 1)", "a stage"]
    document = read_document(out)
    assert list(document.questions) == ["first"]
    assert document.quick
    assert "### decoding, offline" in page.read_text()


def test_all_passes_each_question_its_options(asked, capsys, tmp_path):
    assert _cli.main(["all", "--seconds", "0.5", "--batch", "8", "--json", str(tmp_path / "r.json")]) == 0
    assert asked == [
        ("first", {"quick": False, "peers": None, "batch": [8]}),
        ("second", {"quick": False, "seconds": 0.5}),
    ]
    assert list(read_document(tmp_path / "r.json").questions) == ["first", "second"]
    assert capsys.readouterr().err.splitlines() == ["first (1 of 2)", "a stage", "second (2 of 2)", "a stage"]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    "arguments", [["second", "--batch", "8"], ["first", "--only-here"], ["compare", "a", "b", "--quick"]]
)
def test_unknown_option_is_a_usage_error(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        _cli.main(arguments)
    assert caught.value.code == 2
    unknown = " ".join(arguments[-2:] if arguments[-1] == "8" else arguments[-1:])
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m benchmarks: error: unrecognized arguments: {unknown}"


def test_invalid_numbers_are_usage_errors(asked, capsys):
    for arguments in (["first", "--batch", "0"], ["second", "--seconds", "-1"], ["first", "--batch", "x"]):
        with pytest.raises(SystemExit) as caught:
            _cli.main(arguments)
        assert caught.value.code == 2
    assert "--batch: expected a whole number of at least 1, found '0'" in capsys.readouterr().err
    assert not asked


def test_unwritable_output_fails_before_measuring(asked, capsys, tmp_path):
    missing = tmp_path / "nowhere" / "r.json"
    assert _cli.main(["first", "--json", str(missing)]) == 1
    assert capsys.readouterr().err == (
        f"python -m benchmarks first: {missing} cannot be written: there is no folder {missing.parent}\n"
    )
    assert not asked


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ContenderError("failed", "exit code 1: no luck"), 1, "python -m benchmarks first: exit code 1: no luck\n"),
        (KeyboardInterrupt(), 130, "\npython -m benchmarks first: interrupted\n"),
    ],
)
def test_errors_of_questions_set_the_exit_code(asked, capsys, monkeypatch, error, code, said):
    def run(**_):
        raise error

    monkeypatch.setattr(_cli.question_module("first"), "run", run)
    assert _cli.main(["first"]) == code
    assert capsys.readouterr().err.removeprefix("first (1 of 1)\n") == said
    assert not asked


def test_unknown_question_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as caught:
        _cli.main(["velocity"])
    assert caught.value.code == 2
    assert "invalid choice: 'velocity'" in capsys.readouterr().err


def test_committed_results_are_readable():
    paths = list(_cli.Path(_cli.__file__).with_name("results").glob("*.json"))
    assert len(paths) == 5
    assert all(read_document(path).questions for path in paths)


def test_the_module_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--help"])
    with pytest.raises(SystemExit) as caught:
        _cli.main()
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*_cli.QUESTIONS, "all", "compare", "report"))

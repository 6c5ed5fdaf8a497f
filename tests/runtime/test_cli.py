"""Console scripts: an exit code for each kind of error, and one message without a traceback."""

import importlib
import importlib.metadata
import json
import sys

import click
import pytest

import cvae_runtime as cvae
from cvae_runtime import cli

LOGGING = """
import logging, sys, click
from cvae_runtime import InputError, cli

@click.command()
@cli.common_options
def command(verbose, quiet):
    logging.getLogger("cvae_runtime").info("an info")
    logging.getLogger("cvae_runtime").warning("a warning")
    raise InputError("no such thing")

cli.run(command)
"""


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a command that calls ``work`` as a console script; return exit code, stdout and stderr."""

    def run(work, *arguments):
        @click.command()
        @cli.common_options
        @click.pass_context
        def command(context, **_options):
            return work(context)

        monkeypatch.setattr(sys, "argv", ["cvae-something", *arguments])
        monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # or click says "python -m pytest"
        with pytest.raises(SystemExit) as caught:
            cli.run(command)
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return run


def raising(error):
    def work(_context):
        raise error

    return work


def interrupted(_context):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (cvae.CvaeError, 1),
        (cvae.InputError, 1),
        (cvae.TargetExistsError, 1),
        (cvae.MissingExtraError, 1),
        (cvae.ProviderError, 4),
        (cvae.BundleError, 5),
        (cvae.IntegrityError, 5),
    ],
)
def test_exit_codes_and_messages_of_our_errors(kind, code, run):
    assert kind.exit_code == code
    assert run(raising(kind("what went wrong; what to do"))) == (code, "", "Error: what went wrong; what to do\n")


def test_base_classes_of_errors():
    bases = {
        cvae.InputError: ValueError,
        cvae.TargetExistsError: FileExistsError,
        cvae.MissingExtraError: ImportError,
        cvae.IntegrityError: cvae.BundleError,
    }
    assert all(issubclass(kind, (base, cvae.CvaeError)) and issubclass(kind, base) for kind, base in bases.items())
    assert all(issubclass(getattr(cvae, name), cvae.CvaeError) for name in cvae.__all__ if name.endswith("Error"))


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose_adds_the_traceback(flag, run):
    code, out, err = run(raising(cvae.BundleError("broken")), flag)
    assert (code, out) == (5, "")
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("cvae_runtime._errors.BundleError: broken\nError: broken\n")


def test_the_return_value_is_the_exit_code(run):
    assert run(lambda _context: None) == (0, "", "")
    assert run(lambda _context: 0) == (0, "", "")
    assert run(lambda _context: 3) == (3, "", "")  # a parity check that failed
    assert run(lambda context: context.exit(3)) == (3, "", "")


@pytest.mark.parametrize("work", [interrupted, raising(click.Abort())])
def test_an_interruption_is_130(work, run):
    code, out, err = run(work)
    assert (code, out, err.strip()) == (130, "", "interrupted")


def test_wrong_usage_is_2(run):
    for code, out, err in (
        run(raising(click.UsageError("one or the other"))),
        run(raising(click.BadParameter("one or the other"))),
    ):
        assert (code, out) == (2, "")
        assert "one or the other" in err
    code, out, err = run(lambda _context: None, "--no-such-option")
    assert (code, out) == (2, "")
    assert err.startswith("Usage: cvae-something [OPTIONS]\n")
    assert "No such option" in err
    assert "--no-such-option" in err


def test_a_click_exception_is_1(run):
    assert run(raising(click.ClickException("no"))) == (1, "", "Error: no\n")


UNEXPECTED = (
    "this is unexpected: run the command again with -v, and open an issue for cvae-toolkit with the command line and the "
    "traceback\n"
)


class Mute(Exception):
    """An exception whose ``__str__`` raises."""

    def __str__(self):
        raise ZeroDivisionError


class Unknown(BaseException):
    """An exception that does not derive from `Exception`."""


def endlessly(context):
    return endlessly(context)


def grouped(_context):
    raise BaseExceptionGroup("two", [ValueError("a"), Unknown("b")])


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (raising(ZeroDivisionError("a bug")), "ZeroDivisionError: a bug"),
        (raising(KeyError("name")), "KeyError: 'name'"),
        (raising(AssertionError()), "AssertionError"),
        (raising(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why")), "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: why"),
        (raising(EOFError("ends too early")), "EOFError: ends too early"),
        (raising(SystemExit(0)), "SystemExit: 0"),
        (raising(SystemExit("a library's last words")), "SystemExit: a library's last words"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(Unknown("of a library")), "Unknown: of a library"),
        (raising(Mute()), "Mute"),
        (raising(RuntimeError("two\n\n lines")), "RuntimeError: two lines"),
        (raising(RuntimeError("long " * 1000)), f"RuntimeError: {'long ' * 119}…"),
        (endlessly, "RecursionError: maximum recursion depth exceeded"),
        (grouped, "BaseExceptionGroup: two (2 sub-exceptions)"),
    ],
)  # fmt: skip
def test_messages_of_unexpected_errors(work, words, run):
    code, out, err = run(work)
    assert (code, out, err.strip("\n")) == (1, "", f"Error: {words}; {UNEXPECTED}".strip("\n"))


@pytest.mark.parametrize(
    "work", [raising(ZeroDivisionError("a bug")), raising(SystemExit(3)), raising(Mute()), endlessly]
)
def test_verbose_shows_tracebacks_of_unexpected_errors(work, run):
    code, out, err = run(work, "-v")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith(UNEXPECTED)


def test_an_import_error_is_one_message(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def importing(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return lambda _context: importlib.import_module(name)

    assert run(importing("wrong_syntax", "x ="))[2] == (
        f"Error: SyntaxError: invalid syntax (wrong_syntax.py, line 1); {UNEXPECTED}"
    )
    assert run(importing("ends_it", "raise SystemExit(5)"))[::2] == (1, f"Error: SystemExit: 5; {UNEXPECTED}")
    code, _, err = run(importing("interrupted_import", "raise KeyboardInterrupt"))
    assert (code, err.strip()) == (130, "interrupted")


def test_help_and_version_go_to_stdout(run):
    code, out, err = run(interrupted, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: cvae-something [OPTIONS]\n")
    assert all(flag in out for flag in ("-v, --verbose", "-q, --quiet", "--version", "--help"))
    version = importlib.metadata.version("cvae-toolkit")
    assert run(interrupted, "--version") == (0, f"cvae-something {version}\n", "")


@pytest.mark.parametrize(
    ("flags", "lines"),
    [
        ([], ["a warning", "Error: no such thing"]),
        (["-v"], ["an info", "a warning", "Traceback (most recent call last):", "Error: no such thing"]),
        (["-q"], ["Error: no such thing"]),
        (["--quiet"], ["Error: no such thing"]),
    ],
)
def test_quiet_and_verbose(flags, lines, fresh_python):
    result = fresh_python(LOGGING, *flags)
    assert (result.returncode, result.stdout) == (1, "")
    found = result.stderr.splitlines()
    # Keep only the first line of a traceback.
    assert [line for line in found if not line.startswith((" ", "cvae_runtime._errors"))] == lines


def test_json_is_one_object_in_which_null_replaces_nan(capsys):
    cli.print_json({"a": [1.5, float("nan")], "b": {"c": float("-inf"), "d": ("é", None, True)}})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None], "b": {"c": None, "d": ["é", None, True]}}


def test_help_lists_options_below_their_headings(monkeypatch, capsys):
    @click.command(
        cls=cli.SectionedCommand,
        sections={"Colours": ("red", "blue"), "Sizes": ("wide",)},
        examples=["paint --red door", "paint --blue wall"],
    )
    @click.argument("name")
    @click.option("--wide", is_flag=True, help="Wide.")
    @click.option("--blue", is_flag=True, help="Blue.")
    @click.option("--red", is_flag=True, help="Red.")
    @click.option("--secret", is_flag=True, hidden=True)
    @click.option("--more", is_flag=True, help="More.")
    def command(**_options):
        pass

    monkeypatch.setattr(sys, "argv", ["paint", "--help"])
    with pytest.raises(SystemExit):
        cli.run(command)
    assert capsys.readouterr().out.split("\n\n")[1:] == [
        "Colours:\n  --red   Red.\n  --blue  Blue.",
        "Sizes:\n  --wide  Wide.",
        "Other options:\n  --more  More.\n  --help  Show this message and exit.",
        "Examples:\n  paint --red door\n  paint --blue wall\n",
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(36, "File name too long", "aaa"), "[Errno 36] File name too long: 'aaa'"),
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 1 TiB"), "Unable to allocate 1 TiB"),
    ],
)
def test_messages_of_system_errors(error, message, console):
    @click.command()
    def command():
        raise error

    assert console(command, "cvae-x") == (1, f"Error: {message}; check names, space and permissions\n")

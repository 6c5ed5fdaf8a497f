"""Standard streams that are closed, full, or have another encoding."""

import os
import subprocess
import sys

import pytest

CLOSED = "Error: stdout: expected an open stream, found it closed; send it to a file or to /dev/null\n"

# Prints `{name}` and more text, or fails.
PROGRAM = """
import sys, click
from cvae_runtime import InputError, cli

@click.command()
@click.option("--name")
@click.option("--fail", is_flag=True)
@cli.common_options
def command(name, fail, **_):
    if name:
        print(name)
    print("told", file=sys.stderr)
    if fail:
        raise InputError(f"{name}: no")

cli.run(command)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")


@pytest.fixture
def shell(tmp_path):
    """Run the program with arguments and redirections of a shell: its exit code, stdout and stderr, as bytes."""

    def shell(rest, program=PROGRAM, **environment):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        line = f'"$PYTHON" -c "$PROGRAM" {rest}'
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env={**environment, "PYTHON": sys.executable, "PROGRAM": program},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr.decode()

    return shell


def test_a_closed_stderr_changes_nothing_else(shell, tmp_path):
    assert shell("--name a 2>&-") == (0, b"a\n", "")
    assert shell("--name a --fail 2>&-") == (1, b"a\n", "")
    assert shell("--nope 2>&-") == (2, b"", "")
    assert shell("--name a 2>&- >out") == (0, b"", "")
    assert (tmp_path / "out").read_bytes() == b"a\n"


def test_printing_to_a_closed_stdout_is_an_error(shell):
    assert shell(">&-") == (0, b"", "told\n")
    assert shell("--name a >&-") == (1, b"", CLOSED)
    assert shell("--help >&-") == (1, b"", CLOSED)
    assert shell("--version >&-") == (1, b"", CLOSED)


def test_exit_codes_without_any_stream(shell):
    assert shell("<&- >&- 2>&-") == (0, b"", "")
    assert shell("--name a <&- >&- 2>&-") == (1, b"", "")
    assert shell("--fail <&- >&- 2>&-") == (1, b"", "")


def test_files_do_not_get_the_descriptors_of_closed_streams(shell, tmp_path):
    program = PROGRAM.replace('print("told"', 'f = open("file", "w"); import os; os.write(2, b"lost"); print("told"')
    assert shell("2>&-", program) == (0, b"", "")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux's")  # noqa: PTH110
def test_a_full_stdout_is_an_error_and_a_full_stderr_is_not(shell):
    full = "Error: [Errno 28] No space left on device; check names, space and permissions\n"
    for unbuffered in ("", "1"):
        code, out, err = shell("--name a >/dev/full", PYTHONUNBUFFERED=unbuffered)
        assert (code, out, err.removeprefix("told\n")) == (1, b"", full)
    assert shell("--help >/dev/full") == (1, b"", full)
    assert shell("--name a --fail 2>/dev/full >/dev/full") == (1, b"", "")
    assert shell("--nope 2>/dev/full") == (2, b"", "")


def test_a_closed_pipe_ends_the_command_silently(shell):
    many = PROGRAM.replace("print(name)", "print(name * 100_000)")
    assert shell("--name a | true", many) == (0, b"", "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "ascii:strict", "latin-1"])
def test_characters_outside_the_encoding_are_escaped(shell, encoding):
    escaped = "\\u65e5\\u672c.png"
    code, out, err = shell("--name 日本.png --fail", PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert (code, out.decode().split(), err) == (1, [escaped], f"told\nError: {escaped}: no\n")


def test_names_of_invalid_utf_8_are_escaped(shell):
    code, out, err = shell("--name \"$(printf 'a\\377')\" --fail")
    assert (code, out.decode().split(), err) == (1, ["a\\udcff"], "told\nError: a\\udcff: no\n")


def test_a_picture_on_stdout_is_intact(shell):
    program = "from cvae_runtime._commands.generate import main; main()"
    whole = shell("-n 1 -o -", program)
    assert whole[0] == 0
    assert shell("-n 1 -o - 2>&-", program) == (0, whole[1], "")
    assert shell("-n 1 -o - >&-", program) == (1, b"", CLOSED)

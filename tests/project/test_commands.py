"""The console scripts: help in sections, and examples that the commands accept."""

import importlib
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from cvae_runtime.cli import SectionedCommand

SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
PLAIN = {"cvae-verify", "cvae-inspect"}  # few options
COMMON = {"version", "quiet", "verbose"}


HEAVY = {"tensorflow", "keras", "matplotlib", "onnx", "onnxruntime", "tf2onnx"}


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_help_imports_nothing_heavy(script, fresh_python):
    module, _, main = SCRIPTS[script].partition(":")
    code = (
        f"import sys; sys.argv = ['{script}', '--help']\n"
        f"from {module} import {main}\n"
        f"try: {main}()\n"
        f"finally: assert not {HEAVY} & set(sys.modules)"
    )
    result = fresh_python(code)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: {script} ")


def command_of(script):
    return importlib.import_module(SCRIPTS[script].partition(":")[0]).command


@pytest.mark.parametrize("script", sorted(SCRIPTS.keys() - PLAIN))
def test_examples_are_lines_that_the_command_accepts(script):
    command = command_of(script)
    assert isinstance(command, SectionedCommand)
    assert len(command.examples) >= 2
    for example in command.examples:
        name, *arguments = shlex.split(example.partition(" > ")[0])
        assert name == script
        assert command.make_context(name, arguments).info_name == script


@pytest.mark.parametrize("script", sorted(SCRIPTS.keys() - PLAIN))
def test_options_are_grouped_and_have_a_help_text(script):
    command = command_of(script)
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    assert [name for name, option in options.items() if not option.help] == []
    lines = command.get_help(click.Context(command, info_name=script))
    other = lines.partition("Other options:\n")[2].partition("Examples:\n")[0]
    grouped = options.keys() - COMMON if other else ()
    assert [name for name in grouped if f"{options[name].opts[-1]} " in other] == []

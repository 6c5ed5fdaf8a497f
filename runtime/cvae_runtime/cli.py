"""Shared parts of the console scripts: exit codes, messages, common options, next commands and help."""

import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from ._error_report import report_error
from ._system import check_stdout, drop_stdout_that_fails, guard_streams, printable_handler, shell_quote

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class SectionedCommand(click.Command):
    """A click command whose help groups the options under headings, and ends with examples.

    Args:
        arguments, settings: as for `click.Command`.
        sections: parameter names of the options under each heading. The other options come last.
        examples: command lines.
    """

    def __init__(
        self, *arguments: Any, sections: Mapping[str, Sequence[str]], examples: Sequence[str] = (), **settings: Any
    ) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections
        self.examples = examples

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections; click calls this method."""
        lines = {
            parameter.name: line
            for parameter in self.get_params(context)
            if isinstance(parameter, click.Option) and (line := parameter.get_help_record(context)) is not None
        }
        sections = [(heading, [lines.pop(name) for name in names]) for heading, names in self._sections.items()]
        for heading, section in [*sections, ("Other options" if sections else "Options", list(lines.values()))]:
            with formatter.section(heading):
                formatter.write_dl(section, col_max=26)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples; click calls this method."""
        super().format_epilog(context, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def add_options(*options: Callable[[Decorated], Decorated]) -> Callable[[Decorated], Decorated]:
    """Make a decorator that adds click's options to a command, in their order."""

    def decorate(function: Decorated) -> Decorated:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


# Add ``--version``, and ``-v/--verbose`` and ``-q/--quiet`` as parameters ``verbose`` and ``quiet``.
common_options = add_options(
    click.option("-v", "--verbose", is_flag=True, help="Print log messages of libraries, and tracebacks of errors."),
    click.option("-q", "--quiet", is_flag=True, help="Print only errors."),
    click.version_option(package_name="cvae-toolkit", message="%(prog)s %(version)s"),
)


# Add ``--resize``, ``--grey`` and ``--invert``, which fit images to a model.
image_options = add_options(
    click.option("--resize", is_flag=True, help="Scale and crop images to the model's size."),
    click.option("--grey", is_flag=True, help="Convert colour images to grey."),
    click.option("--invert", is_flag=True, help="Swap light and dark, for example for dark digits on white paper."),
)
IMAGE_OPTIONS = ("resize", "grey", "invert")

# Add ``--json`` as the parameter ``as_json``.
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")


def check_json(as_json: bool, output: str | Path | None = None) -> None:
    """Check, before any work, that the result of ``--json`` can go to stdout.

    Args:
        as_json: whether ``--json`` is set.
        output: value of ``--output``.

    Raises:
        click.UsageError: the output goes to stdout too.
        InputError: stdout is closed.
    """
    if not as_json:
        return
    if str(output) == "-":
        raise click.UsageError("--json and --output - both write to stdout: name a file with --output")
    check_stdout()


def print_json(result: Mapping[str, Any]) -> None:
    """Print the result of ``--json``; infinity and NaN, which JSON lacks, become null, and
    paths become text.
    """
    print(json.dumps(_finite(result), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def next_lines(commands: Sequence[Sequence[str]]) -> str:
    """Format command lines as the next ones to run, a line each, quoted so that they can be pasted.

    Args:
        commands: the words of each command line.
    """
    return "\n".join(["next:", *(f"  {' '.join(map(shell_quote, words))}" for words in commands)])


def with_error(mean: float, stderr: float | None) -> str:
    """Format a mean and its standard error; "-" without one."""
    return f"{mean:.2f} +- {'-' if stderr is None else f'{stderr:.2f}'}"


def run(command: click.Command) -> NoReturn:
    """Run a command as a console script, and exit the process with the documented exit code.

    0 success; 1 failure; 2 usage; 3 a failed parity or quality check; 4 `ProviderError`; 5 `BundleError`;
    130 interrupted. An exception is printed as one message; ``-v`` adds the traceback.
    """
    guard_streams()
    _complete(command)
    verbose, quiet = _has_flag("-v", "--verbose"), _has_flag("-q", "--quiet")
    level = logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(level=level, handlers=[printable_handler()])
    try:
        # Standalone mode would exit with 1 on Ctrl-C, and print a traceback for a CvaeError.
        code = command.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except BaseException as error:
        code = report_error(error, verbose=verbose)
        drop_stdout_that_fails()
    sys.exit(code)


def _complete(command: click.Command) -> None:
    """Exit after printing what a shell's completion asks for: then click's variable ``_NAME_COMPLETE`` is set."""
    name = Path(sys.argv[0]).name
    variable = f"_{name.replace('-', '_').replace('.', '_')}_COMPLETE".upper()
    if instruction := os.environ.get(variable):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(command, {}, name, variable, instruction))


def _has_flag(*flags: str) -> bool:
    return any(flag in sys.argv[1:] for flag in flags)

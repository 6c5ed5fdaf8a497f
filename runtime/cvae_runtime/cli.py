"""Shared parts of the console scripts: exit codes, messages, ``-v``, ``-q``, ``--version`` and help in sections."""

import json
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from ._last_resort import report_error
from ._system import drop_stdout_that_fails, guard_streams, printable_handler

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class SectionedCommand(click.Command):
    """A click command whose help groups the options under headings.

    Args:
        arguments, settings: as for `click.Command`.
        sections: parameter names of the options under each heading. The other options come last.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections; click calls this method."""
        lines = {
            parameter.name: line
            for parameter in self.get_params(context)
            if isinstance(parameter, click.Option) and (line := parameter.get_help_record(context)) is not None
        }
        parts = [(heading, [lines.pop(name) for name in names]) for heading, names in self._sections.items()]
        for heading, part in [*parts, ("Other options", list(lines.values()))]:
            with formatter.section(heading):
                formatter.write_dl(part, col_max=26)


def common_options(function: Decorated) -> Decorated:
    """Add ``--version``, and ``-v/--verbose`` and ``-q/--quiet`` as parameters ``verbose`` and ``quiet``."""
    for option in (
        click.version_option(package_name="cvae-toolkit", message="%(prog)s %(version)s"),
        click.option("-q", "--quiet", is_flag=True, help="Print only errors."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Print log messages of libraries, and tracebacks of errors."
        ),
    ):
        function = option(function)
    return function


def json_option(function: Decorated) -> Decorated:
    """Add ``--json`` as parameter ``as_json``: the command prints its result by `print_json` and no other text."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")(function)


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object on stdout as JSON; NaN and infinity, which JSON lacks, are null."""
    print(json.dumps(_finite(value), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def run(command: click.Command) -> NoReturn:
    """Run a command as a console script, and exit the process with the documented exit code.

    0 success; 1 failure; 2 usage; 3 a failed parity or quality check; 4 `ProviderError`; 5 `BundleError`;
    130 interrupted. An exception is printed as one message; ``-v`` adds the traceback.
    """
    guard_streams()
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


def _has_flag(*flags: str) -> bool:
    return any(flag in sys.argv[1:] for flag in flags)

"""Common parts of the console scripts: exit codes, messages, ``-v``, ``-q`` and ``--version``, help in sections."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from ._last_resort import end_of
from ._system import drop_stdout_that_fails, guard_streams, printable_handler

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class SectionedCommand(click.Command):
    """A command whose help lists the options under headings.

    Args:
        sections: names of options by heading; other options come last.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the options; called by click."""
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
    """Add ``-v/--verbose``, ``-q/--quiet`` and ``--version``; the function takes ``verbose`` and ``quiet``."""
    for option in (
        click.version_option(package_name="cvae-toolkit", message="%(prog)s %(version)s"),
        click.option("-q", "--quiet", is_flag=True, help="Print only errors."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Print log messages of libraries, and tracebacks of errors."
        ),
    ):
        function = option(function)
    return function


def run(command: click.Command) -> NoReturn:
    """Run a command as a console script, and exit the process with the documented code.

    Exit codes: 0 success; 1 failure; 2 usage error; 3 a parity or quality check failed; 4 `ProviderError`;
    5 `BundleError`; 130 interrupted. Each exception is printed as one message; ``-v`` adds its traceback.
    """
    guard_streams()
    verbose, quiet = _asked_for("-v", "--verbose"), _asked_for("-q", "--quiet")
    level = logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(level=level, handlers=[printable_handler()])
    try:
        # click's standalone mode exits with 1 if interrupted, and prints a traceback for a `CvaeError`.
        code = command.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except BaseException as error:
        code = end_of(error, verbose=verbose)
        drop_stdout_that_fails()
    sys.exit(code)


def _asked_for(*flags: str) -> bool:
    return any(flag in sys.argv[1:] for flag in flags)

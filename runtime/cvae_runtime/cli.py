"""What every console script shares: exit codes, messages, ``-v``, ``-q`` and ``--version``, help in sections."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import click

from ._last_resort import end_of
from ._system import drop_stdout_that_fails, guard_streams, printable_handler

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class SectionedCommand(click.Command):
    """A command of many options, whose help lists them under headings.

    Args:
        sections: headings and the names of the options below them; others come last.
    """

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options; click calls it."""
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
    """Add ``-v/--verbose`` and ``-q/--quiet``, which the function takes by these names, and ``--version``."""
    for option in (
        click.version_option(package_name="cvae-toolkit", message="%(prog)s %(version)s"),
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Print what libraries log, and tracebacks of errors."),
    ):
        function = option(function)
    return function


def run(command: click.Command) -> NoReturn:
    """Run a command as a console script: end the process with the documented exit code.

    0 done; 1 failed; 2 usage; 3 a parity or quality check failed; 4 `ProviderError`; 5 `BundleError`; 130 interrupted.
    Whatever is raised is printed as one message, with its traceback only under ``-v``.
    """
    guard_streams()
    verbose, quiet = _asked_for("-v", "--verbose"), _asked_for("-q", "--quiet")
    level = logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(level=level, handlers=[printable_handler()])
    try:
        # Standalone mode would end an interrupted command with 1 and an error of ours with a traceback.
        code = command.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except BaseException as error:
        code = end_of(error, verbose=verbose)
        drop_stdout_that_fails()
    sys.exit(code)


def _asked_for(*flags: str) -> bool:
    return any(flag in sys.argv[1:] for flag in flags)

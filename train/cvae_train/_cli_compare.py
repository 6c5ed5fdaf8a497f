"""The ``cvae-compare`` command."""

import sys
from pathlib import Path

import click

from cvae_runtime import cli
from cvae_runtime.files import refuse_existing, write_file

from ._compare import compare_runs
from ._run import export_command


@click.command(
    cls=cli.SectionedCommand,
    sections={},
    examples=["cvae-compare runs/0001 runs/0002", "cvae-compare runs/0001 runs/0002 --json -o runs.png"],
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN ...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="comparison.png",
    show_default=True,
    help="Path of the picture.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@cli.json_option
@cli.common_options
def command(runs: tuple[Path, ...], output: Path, as_json: bool, overwrite: bool, quiet: bool, verbose: bool) -> None:
    """Compare runs that were tested on the same images.

    Prints a table of test ELBO, its parts, importance-weighted bound and training time, and the settings that differ.
    Draws the curves and the samples side by side. Runs may be unfinished. cvae-evaluate computes the bound.
    """
    del verbose  # the last resort reads it from the command line
    if len(runs) < 2:
        raise click.UsageError("expected two runs or more, found one")
    if str(output) == "-":
        raise click.UsageError("-o: expected the path of a picture, found -")
    cli.check_json(as_json)
    refuse_existing(output, overwrite)
    comparison = compare_runs(runs)
    write_file(output, comparison.picture())
    if as_json:
        cli.print_json(comparison.to_json())
    elif not quiet:
        print(comparison.table())
    if not quiet:
        print(f"{output}: curves and samples", file=sys.stderr)
        best = comparison.best
        if best.folder.finished:
            print(cli.next_lines([export_command(best.folder)]), file=sys.stderr)


def main() -> None:
    """Run ``cvae-compare``."""
    cli.run(command)

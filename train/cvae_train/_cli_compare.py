"""The ``cvae-compare`` command."""

import json
import shlex
import sys
from pathlib import Path

import click

from cvae_runtime import cli
from cvae_runtime.files import refuse_existing, write_file

from ._compare import compare_runs


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN ...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="comparison.png",
    show_default=True,
    help="Path of the picture.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@cli.common_options
def command(runs: tuple[Path, ...], output: Path, as_json: bool, overwrite: bool, quiet: bool, verbose: bool) -> None:
    """Compare runs that were tested on the same images.

    Prints a table of test ELBO, its parts, NLL and training time, and the settings that differ. Draws the curves and
    the samples side by side. Runs may be unfinished. cvae-evaluate computes the NLL.

    \b
      cvae-compare runs/0001 runs/0002
      cvae-compare runs/* --json -o runs.png
    """  # noqa: D301 - \b keeps click from rewrapping
    del verbose  # the last resort reads it from the command line
    if len(runs) < 2:
        raise click.UsageError("expected two runs or more, found one")
    if str(output) == "-":
        raise click.UsageError("-o: expected the path of a picture, found -")
    refuse_existing(output, overwrite)
    comparison = compare_runs(runs)
    write_file(output, comparison.picture())
    if as_json:
        print(json.dumps(comparison.to_json(), indent=2, allow_nan=False))
    elif not quiet:
        print(comparison.table())
    if not quiet:
        print(f"{output}: curves and samples", file=sys.stderr)
        best = comparison.best
        if best.folder.finished:
            print(
                f"next: cvae-export {shlex.quote(best.name)} --onnx {shlex.quote(f'{best.name}-bundle')}",
                file=sys.stderr,
            )


def main() -> None:
    """Run ``cvae-compare``."""
    cli.run(command)

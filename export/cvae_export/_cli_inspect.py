"""Command line of ``cvae-inspect``."""

import json
from pathlib import Path

import click

from cvae_runtime import cli, read_bundle

from ._inspect import describe, inspect_bundle, inspect_file


@click.command()
@click.argument("path", required=False, metavar="[BUNDLE|FILE.onnx]", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@cli.common_options
def command(path: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Describe a bundle or a single graph.

    Prints inputs and what to feed, outputs, sizes, parameters, operators, opset, ELBO, and what the export verified.
    The default is the packaged MNIST model.
    """
    del quiet, verbose  # `cli.run` handles them
    report = inspect_bundle(read_bundle(path)) if path is None or path.is_dir() else inspect_file(path)
    print(json.dumps(report, indent=2, allow_nan=False) if as_json else describe(report))


def main() -> None:
    """Run ``cvae-inspect``."""
    cli.run(command)

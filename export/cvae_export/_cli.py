"""``cvae-export``: the command line over `export`."""

import sys
from pathlib import Path

import click

from cvae_runtime import cli, require
from cvae_train import import_tensorflow

from ._settings import ATOL, DEFAULT_OPSET, OPSETS

_OPSETS = (OPSETS.start, OPSETS.stop - 1)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--onnx", "target", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option(
    "--opset", type=click.IntRange(*_OPSETS), default=DEFAULT_OPSET, show_default=True, help="Of the ONNX graphs."
)
@click.option("--data", type=click.Path(path_type=Path), help="The run's images, if they were moved.")
@click.option("--atol", type=float, default=ATOL, show_default=True, help="Largest difference from TensorFlow.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@cli.common_options
def command(
    run: Path, target: Path, opset: int, data: Path | None, atol: float, overwrite: bool, quiet: bool, verbose: bool
) -> None:
    """Export a finished run as an ONNX bundle.

    RUN is the folder that cvae-train made. Every test image goes through TensorFlow and through the exported
    graphs; beyond the tolerance nothing is written and the exit code is 3.
    """
    import_tensorflow(verbose=verbose, extra="export")
    for module in ("tf2onnx", "onnx", "onnx_ir", "onnxruntime"):
        require(module, "export")

    from ._export import export

    result = export(run, target, opset=opset, data=data, atol=atol, overwrite=overwrite, quiet=quiet)
    if not quiet:
        elbo = result.verification.elbo
        count = result.manifest.training.test_images if result.manifest.training else 0
        print(result.verification.table(), file=sys.stderr)
        print(f"test ELBO {elbo.mean:.2f} +- {elbo.stderr:.2f} nats per image over {count:,} images", file=sys.stderr)
        print(f"{result.path}: {', '.join(graph.file for graph in result.manifest.graphs)}", file=sys.stderr)


def main() -> None:
    """Entry point of ``cvae-export``."""
    cli.run(command)

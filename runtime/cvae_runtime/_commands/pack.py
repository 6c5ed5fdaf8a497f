"""``cvae-pack``: write a bundle in the layout of another platform."""

import sys
from pathlib import Path

import click

from .. import cli

_NEXT = {
    "triton": "tritonserver --model-repository {}",
    "mlflow": "mlflow models serve --model-uri {} --env-manager local",
    "huggingface": "hf upload NAME {}",
}


@click.command(
    cls=cli.SectionedCommand,
    sections={"Layout": ("layout", "license_id"), "Output": ("target", "overwrite", "as_json")},
    examples=[
        "cvae-pack my-model --layout triton -o models",
        "cvae-pack my-model --layout huggingface --license apache-2.0 -o my-repository",
    ],
)
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice([*_NEXT]),
    required=True,
    help="triton: a model repository; mlflow: a model for mlflow.pyfunc; huggingface: a repository with a model card.",
)
@click.option(
    "--license",
    "license_id",
    help="Licence of the model for the model card, by Hugging Face's identifier, such as apache-2.0.  [default: none]",
)
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing folder of the same layout.")
@cli.json_option
@cli.common_options
def command(
    bundle: Path | None,
    layout: str,
    license_id: str | None,
    target: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **_: bool,
) -> None:
    """Write a model in the layout of another platform, with the same graphs.

    BUNDLE is a folder that cvae-export wrote; the default is the packaged MNIST model.
    """
    cli.check_json(as_json, target)
    from .._bundle import read_bundle
    from .._layouts import check_layout, write_layout
    from .._system import shell_quote

    check_layout(layout, target, license_id=license_id, overwrite=overwrite)
    written = write_layout(read_bundle(bundle), layout, target, license_id=license_id, overwrite=overwrite)
    if as_json:
        cli.print_json({"output": str(target), "layout": layout, "files": written})
    elif not quiet:
        size = f"{sum(written.values()) / 1e6:.1f} MB"
        print(f"{target}: {len(written)} files of {size}; next:", file=sys.stderr)
        print(f"  {_NEXT[layout].format(shell_quote(target))}", file=sys.stderr)


def main() -> None:
    """Entry point of ``cvae-pack``."""
    cli.run(command)

"""``cvae-web``: write the web page of a bundle."""

import sys
from pathlib import Path

import click

from .. import cli
from .._system import shell_quote


@click.command(
    cls=cli.SectionedCommand,
    sections={"Output": ("single_file", "overwrite", "as_json")},
    examples=["cvae-web my-model page.html", "cvae-web my-model site/"],
)
@click.argument("paths", metavar="[BUNDLE] OUT", nargs=-1, type=click.Path(path_type=Path))
@click.option("--single-file", is_flag=True, help="Write one HTML file; the default if OUT ends in .html.")
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
@cli.json_option
@cli.common_options
def command(paths: tuple[Path, ...], single_file: bool, overwrite: bool, as_json: bool, quiet: bool, **_: bool) -> None:
    """Write a web page that runs a model in the visitor's browser.

    BUNDLE is a folder that cvae-export wrote; the default is the packaged MNIST model. OUT becomes a folder for any
    static host, or one HTML file that opens from the disk.
    """
    if not 1 <= len(paths) <= 2:
        raise click.UsageError(f"expected OUT, or BUNDLE and OUT; found {len(paths)} paths")
    cli.check_json(as_json)
    from .._bundle import MANIFEST_NAME, read_bundle
    from .._web import check_page, is_single_file, write_page

    target = paths[-1]
    if len(paths) == 1 and (target / MANIFEST_NAME).is_file():
        raise click.UsageError(f"{target} is a bundle; name the output, too: cvae-web {shell_quote(target)} page.html")
    single_file = single_file or is_single_file(target)
    check_page(target, single_file=single_file, overwrite=overwrite)
    bundle = read_bundle(paths[0] if len(paths) == 2 else None)
    written = write_page(bundle, target, single_file=single_file, overwrite=overwrite)
    if as_json:
        cli.print_json({"output": str(target), "single_file": single_file, "files": written})
    elif not quiet:
        print(report(target, written, single_file=single_file), file=sys.stderr)


def report(target: Path, written: dict[str, int], *, single_file: bool) -> str:
    """Describe the written page, and how to open it."""
    size = f"{sum(written.values()) / 1e6:.1f} MB"
    if single_file:
        return f"{target}: one file of {size}; open it in a browser"
    return (
        f"{target}: {len(written)} files of {size}, for any static host; to view it here, run\n"
        f"  python -m http.server --bind 127.0.0.1 --directory {shell_quote(target)}"
    )


def main() -> None:
    """Entry point of ``cvae-web``."""
    cli.run(command)

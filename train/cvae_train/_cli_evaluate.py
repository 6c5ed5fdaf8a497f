"""The ``cvae-evaluate`` command."""

import sys
from pathlib import Path

import click

from cvae_runtime import cli
from cvae_runtime.files import refuse_existing, write_file

from ._run import RunFolder, write_json
from ._tensorflow import import_tensorflow


@click.command(
    cls=cli.SectionedCommand,
    sections={"Images": ("data", "images"), "Metrics": ("samples",), "Output": ("overwrite",)},
    examples=["cvae-evaluate my-run", "cvae-evaluate my-run --samples 5000 --images 1000"],
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--samples", type=int, default=500, show_default=True, help="Importance samples per image for the NLL.")
@click.option("--images", type=click.IntRange(1), help="Use only the first N test images.  [default: all]", metavar="N")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where the run's images are now.  [default: where they were]"
)
@click.option("--overwrite", is_flag=True, help="Replace an existing evaluation.")
@cli.common_options
def command(
    run: Path, samples: int, images: int | None, data: Path | None, overwrite: bool, quiet: bool, verbose: bool
) -> None:
    """Evaluate a finished run on its test set.

    Prints the ELBO and its terms, the importance-weighted NLL, and statistics of the latents. Writes them to
    evaluation.json in the run folder, and to evaluation.png with sample images.
    """
    folder = RunFolder(run)
    folder.read_config()  # first, because "this is no run" matters more than an existing evaluation.json
    for target in (folder.evaluation, folder.evaluation_picture):
        refuse_existing(target, overwrite)
    test = folder.load_test(data, quiet=quiet)[:images]
    import_tensorflow(verbose=verbose, extra="train")

    from ._evaluate import evaluate
    from ._panel import draw_panel
    from ._train import load_run

    result = load_run(run)
    binarize_at = result.config.binarize_at
    with click.progressbar(length=len(test), label="importance samples", file=sys.stderr, hidden=quiet) as bar:
        evaluation = evaluate(
            result.model, test, binarize_at, samples=samples, on_images=lambda done: bar.update(done - bar.pos)
        )
    write_json(folder.evaluation, evaluation.to_json())
    write_file(folder.evaluation_picture, draw_panel(result.model, test, binarize_at, result.history, evaluation))
    if not quiet:
        print(evaluation.table(), file=sys.stderr)


def main() -> None:
    """Run ``cvae-evaluate``."""
    cli.run(command)

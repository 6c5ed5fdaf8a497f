"""The ``cvae-evaluate`` command."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, get_args

import click

from cvae_runtime import InputError, cli
from cvae_runtime.files import refuse_existing, write_file

from ._run import Checkpoint, RunFolder, draw_test, draw_train, export_command, write_json
from ._tensorflow import import_tensorflow

_LONG = 60.0  # seconds; shorter computations are not announced


@click.command(
    cls=cli.SectionedCommand,
    sections={
        "Images": ("data", "images"),
        "Metrics": ("checkpoint", "samples", "features"),
        "Output": ("overwrite", "as_json"),
    },
    examples=["cvae-evaluate my-run", "cvae-evaluate my-run --samples 5000 --images 1000"],
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=int,
    help="Draws per image for the importance-weighted bound.  [default: 500, for 256 levels 50]",
)
@click.option(
    "--features",
    type=click.Path(path_type=Path),
    help="Also judge samples by this classifier, an ONNX file: its input images, uint8, and its outputs features and, "
    "optionally, logits.",
)
@click.option("--images", type=click.IntRange(1), help="Use only the first N test images.  [default: all]", metavar="N")
@click.option("--data", type=click.Path(), help="Where the run's images are now.  [default: where they were]")
@click.option(
    "--checkpoint",
    type=click.Choice(get_args(Checkpoint)),
    help="Weights: best, of the epoch of best validation ELBO, or last, of the last complete epoch.  "
    "[default: best if the run has a validation set, otherwise last]",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing evaluation.")
@cli.json_option
@cli.common_options
def command(
    run: Path,
    samples: int | None,
    features: Path | None,
    images: int | None,
    data: str | None,
    checkpoint: Checkpoint | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Evaluate a run on its test set. The run may have been stopped.

    Draws samples, reconstructions and the curve into evaluation.png in the run folder. Compares the ELBO with two
    simple models of the training images, the histogram of each pixel and PCA, and says what to try next. Prints the
    ELBO and its terms, the importance-weighted bound, and statistics of the latents; evaluation.json has all figures.
    If the images have class labels, a linear classifier of the latents measures how well they separate the classes, and
    there are figures of each class. The figures of a model with labels are those given the label of each image.
    """
    folder = RunFolder(run)
    config, _ = folder.read_config()  # first: "this is no run" matters more than an existing evaluation.json
    for target in (folder.evaluation, folder.evaluation_picture):
        refuse_existing(target, overwrite)
    lines = []
    grey_train = labels = None
    try:
        dataset = folder.load_dataset(data, quiet=quiet)
        grey_test, grey_train, labels = dataset.test, dataset.train, dataset.labels
    except InputError as error:  # only the test images have to be there
        grey_test = folder.load_test(data, drawn=False, quiet=quiet)
        if features is not None or config.model.labels:
            raise
        lines.append(f"without simple models to compare with, since they need the training images: {error}")
    test = draw_test(config, grey_test[:images])
    train = None if grey_train is None else draw_train(config, grey_train)
    if labels is not None:
        labels = dataclasses.replace(labels, test=labels.test[:images])
    import_tensorflow(verbose=verbose, extra="train")

    from ._evaluate import evaluate, judge, next_steps
    from ._load import load_run
    from ._panel import draw_panel

    result = load_run(run, checkpoint)
    with click.progressbar(length=len(test), label="importance samples", file=sys.stderr, hidden=quiet) as bar:
        evaluation = evaluate(
            result.model,
            test,
            result.config.binarize,
            samples=samples,
            train=train,
            labels=labels,
            on_images=_Progress(bar, len(test)),
        )
    fields = {"epoch": result.epoch, **evaluation.to_json()}
    quality = None
    if features is not None and grey_train is not None:
        quality = judge(result.model, features, grey_test, grey_train, binary=result.config.binarize_at is not None)
        fields["sample_quality"] = quality.to_json()
    write_json(folder.evaluation, fields)
    write_file(
        folder.evaluation_picture,
        draw_panel(
            result.model,
            test,
            result.config.binarize_at,
            result.history,
            result.epoch,
            evaluation,
            labels,
        ),
    )
    if not quiet:
        advice = next_steps(evaluation, result.config, result.history, folder.read_minutes()) or ["nothing stands out"]
        lines += [
            f"{run}: {result.describe_epoch()}",
            f"{folder.evaluation_picture}: samples, reconstructions, the curve",
            *evaluation.comparison(),
            "what to try next:",
            *(f"  {line}" for line in advice),
            "",
            evaluation.table(),
            *evaluation.class_table(),
            *([] if quality is None else quality.lines()),
        ]
        print("\n".join(lines), file=sys.stderr)
    if not quiet and not as_json:
        print(cli.next_lines([export_command(folder, data=data, checkpoint=checkpoint)]), file=sys.stderr)
    if as_json:
        cli.print_json({"run": str(run), **fields})


class _Progress:
    """Move a progress bar, and announce a long computation once its speed is known.

    Args:
        bar: of click, over the images.
        count: number of images.
    """

    def __init__(self, bar: Any, count: int) -> None:
        self._bar, self._count = bar, count
        self._first: tuple[int, float] | None = None
        self._announced = False

    def __call__(self, done: int) -> None:
        self._bar.update(done - self._bar.pos)
        now = time.perf_counter()
        if self._first is None:
            self._first = done, now  # the images before include the time of compilation
        elif not self._announced:
            self._announced = True
            images, began = self._first
            seconds = (now - began) / (done - images) * self._count
            if seconds > _LONG and not self._bar.hidden:
                few = max(1, round(self._count * _LONG / seconds))
                print(f"\nabout {seconds / 60:.0f} min; with --images {few} about 1 min", file=sys.stderr)


def main() -> None:
    """Run ``cvae-evaluate``."""
    cli.run(command)

"""The ``cvae-train`` command."""

import sys
from pathlib import Path
from typing import Any, get_args

import click

from cvae_runtime import cli

from ._config import (
    BACKGROUND_RATE,
    PRESETS,
    Architecture,
    Augment,
    Binarize,
    Decay,
    Likelihood,
    Objective,
    Optimizer,
    Precision,
    Prior,
    read_config,
)
from ._data import EMBEDDED, DataOptions
from ._prepare import Request, prepare
from ._run import Part, RunFolder, evaluate_command, export_command, read_data_options
from ._tensorflow import import_tensorflow

_FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)


def _filters(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(int(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected comma-separated integers such as 32,64, found {value!r}") from None


def _image_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        width, height = map(int, value.split("x") if "x" in value else (value, value))
    except ValueError:
        raise click.BadParameter(f"expected WIDTHxHEIGHT or one integer, in pixels, found {value!r}") from None
    return height, width


def _rate(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        raise click.BadParameter(
            f"expected a rate such as {BACKGROUND_RATE}, found {value!r}; name DATA before it"
        ) from None


_SECTIONS = {
    "Images": ("image_size", "channels", "test_fraction", "skip_bad", "memory_limit"),
    "Run": ("run", "resume", "overwrite", "start_from", "freeze", "seed", "tensorboard", "as_json"),
    "Recipe (without a preset, its settings follow from the images)": (
        "minutes",
        "dry_run",
        "preset",
        "config",
        "epochs",
        "batch_size",
        "optimizer",
        "learning_rate",
        "warmup_steps",
        "decay",
        "clip_norm",
        "ema",
        "augment",
        "validation_fraction",
        "patience",
        "precision",
    ),
    "Model": ("architecture", "latent_dim", "filters", "prior", "labels", "likelihood", "binarize", "background"),
    "Objective": ("objective", "samples", "beta", "kl_warmup_epochs", "free_bits"),
}


@click.command(
    cls=cli.SectionedCommand,
    sections=_SECTIONS,
    examples=[
        "cvae-train photos/ --run my-run",
        "cvae-train photos/ --minutes 10 --run my-run",
    ],
)
@click.argument("data", default=EMBEDDED)
@click.option(
    "--image-size",
    callback=_image_size,
    metavar="WxH",
    help="Scale and crop images to this size in pixels: width x height as 64x48, or 64.  [default: their own size if "
    "all have the same, of at most 128 pixels; otherwise chosen]",
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    help="Convert images to grey (1) or RGB (3).  [default: 1 if all images are grey, otherwise 3]",
)
@click.option(
    "--test-fraction",
    type=_FRACTION,
    help="Fraction of the images to hold out for testing if DATA has no test set.  [default: 0.1]",
)
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read. Without it they are an error.")
@click.option(
    "--memory-limit",
    type=click.IntRange(0),
    metavar="MIB",
    help="Keep at most this many MiB of images in memory and stream the others from disk.  "
    "[default: a quarter of the available memory]",
)
@click.option("--run", "run", type=click.Path(path_type=Path), help="Run folder.  [default: the next free runs/NNNN]")
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    help="Recipe for MNIST. notebook: of 2018; fast: its ELBO in minutes; best: a better network in half an hour.  "
    "[default: notebook without DATA, otherwise a recipe derived from the images]",
)
@click.option(
    "--minutes",
    type=float,
    metavar="M",
    help="Fit the run to this time: epochs, schedule and, if need be, the network follow from the measured speed.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and the time that it takes, and stop.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Read the recipe from a .toml file or a run's config.json."
)
@click.option("--epochs", type=int, help="Number of passes over the training set.")
@click.option("--batch-size", type=int, help="Images per optimizer step.")
@click.option(
    "--optimizer", type=click.Choice(get_args(Optimizer)), help="Adam, or Muon, which learns pictures in fewer steps."
)
@click.option("--learning-rate", type=float, help="Learning rate; with a schedule, the highest.")
@click.option("--warmup-steps", type=int, help="Raise the learning rate from 0 over this many steps.")
@click.option(
    "--decay", type=click.Choice(get_args(Decay)), help="Learning rate schedule; cosine decays to 0 at the end."
)
@click.option("--clip-norm", type=float, help="Clip gradients to this global norm.")
@click.option("--ema", type=float, help="Keep a moving average of the weights with this decay per step; 0 to turn off.")
@click.option(
    "--augment",
    type=click.Choice(get_args(Augment)),
    help="Transform training images at random: mirror them, also flip them upside down, also turn them by 90 degrees.",
)
@click.option("--objective", type=click.Choice(get_args(Objective)), help="Objective to maximize.")
@click.option("--samples", type=int, help="Draws of the latent per image, for iwae and dreg.")
@click.option("--beta", type=float, help="Weight of the KL, for elbo, analytic-kl and stl.")
@click.option("--kl-warmup-epochs", type=int, help="Raise beta from 0 over this many epochs.")
@click.option(
    "--free-bits", type=float, help="Do not reduce a latent dimension's KL below this many nats, for analytic-kl."
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Precision of the layers in a training step; auto: bfloat16 if the hardware supports it.",
)
@click.option(
    "--architecture",
    type=click.Choice(get_args(Architecture)),
    help="Network: notebook, the 2018 notebook's; residual, residual blocks for pictures of any size; dense, hidden "
    "layers without convolutions.",
)
@click.option("--latent-dim", type=int, help="Number of latent dimensions.")
@click.option(
    "--filters",
    callback=_filters,
    help="Channels of the convolutions, first to last, such as 32,64; for residual, at 1/2, 1/4, ... of the "
    "image's side; for dense, units of the hidden layers.",
)
@click.option(
    "--prior",
    type=click.Choice(get_args(Prior)),
    help="Distribution of the latents: normal, N(0, I); learned, a normalizing flow that is trained with the network.",
)
@click.option(
    "--labels",
    is_flag=True,
    help="Condition the model on the class of each image, so that samples of a class can be drawn.",
)
@click.option(
    "--likelihood",
    type=click.Choice(get_args(Likelihood)),
    help="Distribution of a pixel: bernoulli for binary pixels, discretized-logistic-mixture for 256 levels, "
    "discretized-logistic to resume older runs.  [default for colour images: discretized-logistic-mixture]",
)
@click.option(
    "--binarize",
    type=click.Choice(get_args(Binarize)),
    help="static: threshold pixels at 0.5; dynamic: draw each pixel with its grey level as the probability of white, "
    "anew in each epoch; fixed: DATA is black and white already; none: keep grey values.",
)
@click.option(
    "--background",
    callback=_rate,
    is_flag=False,
    flag_value=str(BACKGROUND_RATE),
    metavar="[RATE]",
    help="Train a background model, for cvae-calibrate --background: replace each pixel of a training image at random "
    f"with this probability, {BACKGROUND_RATE} if none is given.",
)
@click.option("--validation-fraction", type=float, help="Fraction of the training images to hold out for validation.")
@click.option(
    "--patience", type=int, help="Stop after this many epochs without a better validation ELBO; 0 to turn off."
)
@click.option("--seed", type=int, help="Random seed, an unsigned 64-bit integer. It determines the run.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard event files into the run folder.")
@click.option(
    "--from",
    "start_from",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Start from the weights of another run, in all layers of the same shape. Its model is the default.",
)
@click.option("--freeze", type=click.Choice(get_args(Part)), help="With --from: do not train this part of the model.")
@click.option(
    "--resume",
    is_flag=True,
    help="Resume the run in the folder, or start one if there is none. With more --epochs, continue a finished run.",
)
@click.option("--overwrite", is_flag=True, help="Delete the run in the folder and start again.")
@cli.json_option
@cli.common_options
def command(
    data: str,
    image_size: tuple[int, int] | None,
    channels: str | None,
    test_fraction: float | None,
    skip_bad: bool,
    memory_limit: int | None,
    run: Path | None,
    preset: str | None,
    config: Path | None,
    start_from: Path | None,
    freeze: Part | None,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    as_json: bool,
    minutes: float | None,
    dry_run: bool,
    labels: bool,
    quiet: bool,
    verbose: bool,
    **changes: Any,
) -> None:
    """Train a convolutional variational autoencoder.

    DATA is a folder of images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP; nested or not, optionally in train/, val/ and
    test/). It can also be a folder with MNIST's four IDX files, an .npz file with x_train and x_test, an .npy file, or
    TFRecords with encoded images. The default is the embedded MNIST.

    The recipe follows from the images. The command prints each decision with its reason and the option that changes it.

    The run folder receives config.json, history.csv, a checkpoint and an image of samples for each epoch. The end of
    the run adds cvae.gif, elbo.png and the weights. After Ctrl-C, --resume continues from the last complete epoch.
    docs/training.md has the details.
    """
    if resume and overwrite:
        raise click.UsageError("--resume continues a run and --overwrite deletes it: give one of them")
    if preset is not None and config is not None:
        raise click.UsageError("--preset and --config both set the recipe: give one of them")
    if freeze is not None and start_from is None:
        raise click.UsageError("--freeze needs --from RUN, whose weights it keeps")
    if run is None and (resume or overwrite):
        raise click.UsageError("--resume and --overwrite need --run DIR")
    if minutes is not None and changes["epochs"] is not None:
        raise click.UsageError("--minutes and --epochs both set the length of the run: give one of them")
    if dry_run and (resume or tensorboard):
        raise click.UsageError("--dry-run trains nothing: leave --resume and --tensorboard out")
    options = DataOptions(image_size, None if channels is None else int(channels), test_fraction, skip_bad)
    request = Request(
        data,
        PRESETS[preset] if preset is not None else None if config is None else read_config(config),
        options if config is None else read_data_options(config, options),
        {name: value for name, value in changes.items() if value is not None},
        minutes,
        run,
        resume=resume,
        start_from=start_from,
        model_of_start=config is None,
        labels=labels,
        memory_limit=None if memory_limit is None else memory_limit << 20,
        # The disk that holds the run has room; the temporary folder may be in memory.
        spill=None if run is None else next(folder for folder in run.absolute().parents if folder.is_dir()),
        quiet=quiet,
    )
    images, plan = prepare(request)
    import_tensorflow(verbose=verbose)

    if dry_run:
        from ._planning import measured

        plan = measured(images, plan)
        if as_json:
            cli.print_json(plan.to_json())
        else:
            print("\n".join(plan.lines()))
        return

    from ._train import train_planned

    callbacks = []
    if tensorboard:
        from ._tensorboard import TensorBoard

        callbacks.append(TensorBoard(images.test))
    result = train_planned(
        images,
        plan,
        request,
        overwrite=overwrite,
        freeze=freeze,
        callbacks=callbacks,
    )
    if not quiet:
        for warning in result.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        bits = result.config.model.bits_per_dimension(result.kept.elbo)
        in_bits = "" if bits is None else f" ({bits:.3f} bits per dimension)"
        given = " given the label" if result.config.model.labels else ""
        elbo = f"test ELBO{given} {result.kept.elbo:.2f} nats per image{in_bits}"
        print(f"{result.path}: {result.describe_epoch()}, {elbo}", file=sys.stderr)
        if not as_json:
            folder = RunFolder(result.path)
            print(cli.next_lines([evaluate_command(folder), export_command(folder)]), file=sys.stderr)
    if as_json:
        cli.print_json(result.to_json())


def main() -> None:
    """Run ``cvae-train``."""
    cli.run(command)

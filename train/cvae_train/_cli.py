"""``cvae-train``: the command line over `train`."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, get_args

import click

from cvae_runtime import cli

from ._config import (
    LIKELIHOOD_OF_LEVELS,
    PRESETS,
    Binarize,
    Decay,
    Likelihood,
    Objective,
    Precision,
    read_config,
)
from ._data import load_data
from ._options import DataOptions
from ._run import RunFolder
from ._sources import EMBEDDED
from ._tensorflow import import_tensorflow

_FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)


def _filters(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(int(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas, such as 32,64; found {value!r}") from None


def _image_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        width, height = map(int, value.split("x") if "x" in value else (value, value))
    except ValueError:
        raise click.BadParameter(f"expected WIDTHxHEIGHT or one number, in pixels; found {value!r}") from None
    return height, width


def _likelihood_of_levels(resumed: Path | None) -> Likelihood:
    """The likelihood that pictures in colour take: that of the run that is resumed, if there is one."""
    if resumed is None or not RunFolder(resumed).config.is_file():
        return LIKELIHOOD_OF_LEVELS
    found = RunFolder(resumed).read_config()[0].model.likelihood
    return LIKELIHOOD_OF_LEVELS if found == "bernoulli" else found


_SECTIONS = {
    "Images": ("image_size", "channels", "test_fraction", "skip_bad", "memory_limit"),
    "Run": ("run", "resume", "overwrite", "seed", "tensorboard"),
    "Recipe (what is not given is the preset's)": (
        "preset",
        "config",
        "epochs",
        "batch_size",
        "learning_rate",
        "warmup_steps",
        "decay",
        "clip_norm",
        "ema",
        "validation_fraction",
        "patience",
        "precision",
    ),
    "Model": ("latent_dim", "filters", "likelihood", "binarize"),
    "Objective": ("objective", "samples", "beta", "kl_warmup_epochs", "free_bits"),
}


@click.command(cls=cli.SectionedCommand, sections=_SECTIONS)
@click.argument("data", default=EMBEDDED)
@click.option(
    "--image-size",
    callback=_image_size,
    metavar="WxH",
    help="Pixels, as 64x48 (width x height) or 64: scale to cover that and crop evenly.  [default: the one size of all]",
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    help="1: turn colour grey; 3: grey into RGB.  [default: 1 if all are grey]",
)
@click.option(
    "--test-fraction", type=_FRACTION, help="Held out where DATA has no test part of its own.  [default: 0.1]"
)
@click.option("--skip-bad", is_flag=True, help="Train without the pictures that cannot be read.")
@click.option(
    "--memory-limit",
    type=click.IntRange(0),
    metavar="MIB",
    help="Images beyond it stay on disk and are streamed.  [default: a quarter of the memory that is available]",
)
@click.option("--run", "run", type=click.Path(path_type=Path), help="The run folder; default: runs/0001, counted up.")
@click.option(
    "--preset",
    type=click.Choice(sorted(PRESETS)),
    help="notebook: of 2018. fast: its ELBO in minutes. best: an hour.  [default: notebook]",
)
@click.option("--config", type=click.Path(path_type=Path), help="A recipe of your own: .toml, or a run's config.json.")
@click.option("--epochs", type=int, help="Passes over the training set.")
@click.option("--batch-size", type=int, help="Images a step.")
@click.option("--learning-rate", type=float, help="Adam's; the highest of a schedule.")
@click.option("--warmup-steps", type=int, help="Steps over which the learning rate rises from 0.")
@click.option("--decay", type=click.Choice(get_args(Decay)), help="Of the learning rate, to 0 at the end with cosine.")
@click.option("--clip-norm", type=float, help="Largest global norm of the gradients.")
@click.option("--ema", type=float, help="Decay of an average of the weights, which is kept instead of them.")
@click.option("--objective", type=click.Choice(get_args(Objective)), help="What is maximized.")
@click.option("--samples", type=int, help="Draws an image, for iwae and dreg.")
@click.option("--beta", type=float, help="Weight of the KL.")
@click.option("--kl-warmup-epochs", type=int, help="Epochs over which that weight rises from 0.")
@click.option("--free-bits", type=float, help="Nats a latent dimension may keep, for analytic-kl.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Of the layers in a training step; auto: by the hardware.",
)
@click.option("--latent-dim", type=int, help="Numbers in a latent.")
@click.option("--filters", callback=_filters, help="Channels of the convolutions, such as 32,64.")
@click.option(
    "--likelihood",
    type=click.Choice(get_args(Likelihood)),
    help="Of a pixel; the last is for 256 levels, the second that of earlier runs.",
)
@click.option("--binarize", type=click.Choice(get_args(Binarize)), help="Pixels as 0 and 1, cut at 0.5, or grey.")
@click.option("--validation-fraction", type=float, help="Part of the training images to choose settings by.")
@click.option("--patience", type=int, help="Epochs without a better validation ELBO before training stops early.")
@click.option("--seed", type=int, help="Names the run: the same seed gives the same history.")
@click.option("--tensorboard", is_flag=True, help="Write what tensorboard --logdir RUN shows.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder; begin it where there is none.")
@click.option("--overwrite", is_flag=True, help="Delete the run in the folder and begin anew.")
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
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    quiet: bool,
    verbose: bool,
    **changes: Any,
) -> None:
    """Train a convolutional variational autoencoder.

    DATA is a folder of pictures (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP; nested or not, perhaps in train/, val/ and
    test/), a folder with MNIST's four IDX files, an .npz file with x_train and x_test, an .npy file, or TFRecords with
    encoded pictures.
    Without it the embedded MNIST is used.

    \b
      cvae-train --preset fast --run my-run
      cvae-train photos/ --image-size 64 --preset fast --run my-run

    The run folder gets config.json, history.csv, a picture of samples each epoch and a checkpoint; at the end
    cvae.gif, elbo.png and the weights. Ctrl-C keeps the last whole epoch, and --resume goes on from it. The guide,
    docs/training.md, tells more of every option.
    """  # noqa: D301 - click's mark for lines that are left as they are
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run and --overwrite deletes it: give one of them")
    if preset is not None and config is not None:
        raise click.UsageError("--preset and --config are two recipes: give one of them")
    if run is None and (resume or overwrite):
        raise click.UsageError("--resume and --overwrite need --run DIR")
    changes = {name: value for name, value in changes.items() if value is not None}
    images = load_data(
        data,
        DataOptions(image_size, None if channels is None else int(channels), test_fraction, skip_bad),
        memory_limit=None if memory_limit is None else memory_limit << 20,
        # Beside the run there is a disk, and room on it.
        spill=None if run is None else next(folder for folder in run.absolute().parents if folder.is_dir()),
        quiet=quiet,
    )
    recipe = PRESETS[preset or "notebook"] if config is None else read_config(config)
    if changes.get("likelihood", "bernoulli") != "bernoulli":
        changes.setdefault("binarize", "none")
    elif "likelihood" not in changes and images.image_shape[2] == 3 and recipe.model.likelihood == "bernoulli":
        likelihood = _likelihood_of_levels(run if resume else None)
        changes = {"binarize": "none"} | changes | {"likelihood": likelihood}
        if not quiet:
            print(f"3 channels: --likelihood {likelihood} --binarize none", file=sys.stderr)
    shape = {name: changes.pop(name) for name in ("latent_dim", "filters", "likelihood") if name in changes}
    model = dataclasses.replace(recipe.model, image_shape=images.image_shape, **shape)
    recipe = dataclasses.replace(recipe, model=model, **changes)
    import_tensorflow(verbose=verbose)

    from ._train import train

    callbacks = []
    if tensorboard:
        from ._tensorboard import TensorBoard

        callbacks.append(TensorBoard(images.test))
    result = train(recipe, images, run, resume=resume, overwrite=overwrite, quiet=quiet, callbacks=callbacks)
    if not quiet:
        kept = result.kept
        for warning in result.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        print(f"{result.path}: epoch {kept.epoch}, test ELBO {kept.elbo:.2f} nats per image", file=sys.stderr)


def main() -> None:
    """Entry point of ``cvae-train``."""
    cli.run(command)

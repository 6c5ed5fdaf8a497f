"""``cvae-train``: the command line over `train`."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, get_args

import click

from cvae_runtime import cli

from ._config import PRESETS, Binarize, Decay, Likelihood, Objective, Precision, read_config
from ._data import EMBEDDED, load_data
from ._tensorflow import import_tensorflow

_RECIPE = PRESETS["notebook"]


def _filters(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(int(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas, such as 32,64; found {value!r}") from None


@click.command()
@click.argument("data", default=EMBEDDED)
@click.option("--run", "run", type=click.Path(path_type=Path), help="The run folder; default: runs/0001, counted up.")
@click.option("--preset", type=click.Choice(sorted(PRESETS)), help="The recipe.  [default: notebook]")
@click.option("--config", type=click.Path(path_type=Path), help="A recipe of your own: .toml, or a run's config.json.")
@click.option("--epochs", type=int, help="Passes over the training set.")
@click.option("--batch-size", type=int, help="Images a step.")
@click.option("--learning-rate", type=float, help="Adam's; the highest of a schedule.")
@click.option("--warmup-steps", type=int, help="Steps over which the learning rate rises from 0.")
@click.option("--decay", type=click.Choice(get_args(Decay)), help="Of the learning rate.")
@click.option("--clip-norm", type=float, help="Largest global norm of the gradients.")
@click.option("--objective", type=click.Choice(get_args(Objective)), help="What is maximized; see the guide.")
@click.option("--samples", type=int, help="Draws an image, of iwae and dreg.")
@click.option("--beta", type=float, help="Weight of the KL.")
@click.option("--kl-warmup-epochs", type=int, help="Epochs over which that weight rises from 0.")
@click.option("--free-bits", type=float, help="Nats a latent dimension may keep, of analytic-kl.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Of the layers in a training step.")
@click.option("--latent-dim", type=int, help="Numbers in a latent.")
@click.option("--filters", callback=_filters, help="Channels of the convolutions, such as 32,64.")
@click.option("--likelihood", type=click.Choice(get_args(Likelihood)), help="Of a pixel; the last is for 256 levels.")
@click.option("--binarize", type=click.Choice(get_args(Binarize)), help="Pixels as 0 and 1, cut at 0.5, or grey.")
@click.option("--seed", type=int, help="Names the run: the same seed gives the same history.")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder; begin it where there is none.")
@click.option("--overwrite", is_flag=True, help="Delete the run in the folder and begin anew.")
@cli.common_options
def command(
    data: str,
    run: Path | None,
    preset: str | None,
    config: Path | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **changes: Any,
) -> None:
    """Train a convolutional VAE.

    DATA is a folder with MNIST's four IDX files, plain or .gz, or an .npz file with x_train and x_test; without it
    the embedded MNIST is used. An option that is not given is the recipe's.

    The run folder gets config.json, history.csv, a picture of samples each epoch and a checkpoint; at the end
    cvae.gif, elbo.png and the weights. Ctrl-C keeps the last whole epoch, and --resume goes on from it.
    """
    if resume and overwrite:
        raise click.UsageError("--resume goes on with a run and --overwrite deletes it: give one of them")
    if preset is not None and config is not None:
        raise click.UsageError("--preset and --config are two recipes: give one of them")
    if run is None and (resume or overwrite):
        raise click.UsageError("--resume and --overwrite need --run DIR")
    changes = {name: value for name, value in changes.items() if value is not None}
    images = load_data(data)
    recipe = PRESETS[preset or "notebook"]
    if changes.get("likelihood") == "discretized-logistic":
        changes.setdefault("binarize", "none")
    if implied := "likelihood" not in changes and images.image_shape[2] == 3:
        model = dataclasses.replace(recipe.model, likelihood="discretized-logistic")
        recipe = dataclasses.replace(recipe, model=model, binarize="none")
    if config is not None:
        recipe = read_config(config, recipe)
    shape = {name: changes.pop(name) for name in ("latent_dim", "filters", "likelihood") if name in changes}
    model = dataclasses.replace(recipe.model, image_shape=images.image_shape, **shape)
    recipe = dataclasses.replace(recipe, model=model, **changes)
    if implied and not quiet:
        print("3 channels: --likelihood discretized-logistic --binarize none", file=sys.stderr)
    import_tensorflow(verbose=verbose)

    from ._train import train

    result = train(recipe, images, run, resume=resume, overwrite=overwrite, quiet=quiet)
    if not quiet:
        elbo = result.history[-1].elbo
        print(f"{result.path}: {len(result.history)} epochs, test ELBO {elbo:.2f} nats per image", file=sys.stderr)


def main() -> None:
    """Entry point of ``cvae-train``."""
    cli.run(command)

"""``cvae-generate --interpolate``, ``--traverse`` and ``--manifold``: pictures of the latent space."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from numpy.typing import NDArray

from .. import cli
from .._check import check_int
from .._errors import InputError
from .._math import Method
from .._model import TRAVERSED, Model
from .output import Output

_Read = Callable[[list[Path]], NDArray[np.uint8]]

_STEPS = {"interpolate": 8, "traverse": 7, "manifold": 20}

# The jobs of each option.
_JOBS = {
    "method": ("interpolate",),
    "steps": tuple(_STEPS),
    "dimensions": ("traverse", "manifold"),
    "span": ("traverse",),
}


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[int] | None:
    try:
        return None if value is None else [int(number) for number in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected integers separated by commas, such as 3,7; found {value!r}") from None


EXPLORE_OPTIONS = (*_STEPS, "method", "steps", "dimensions", "span")


# Add the options of exploration, named as the fields of `Exploration`.
explore_options = cli.add_options(
    click.option(
        "--interpolate",
        nargs=2,
        metavar="A B",
        help="Draw the path between two image files, or samples by their index.",
    ),
    click.option(
        "--traverse",
        metavar="IMAGE",
        help="Vary the latent of an image file, or of a sample by its index, one dimension at a time.",
    ),
    click.option("--manifold", is_flag=True, help="Draw a grid over two latent dimensions."),
    click.option("--method", type=click.Choice(get_args(Method)), help="Path of --interpolate.  [default: linear]"),
    click.option(
        "--steps",
        type=int,
        help="Images of --interpolate, of each dimension of --traverse, of each side of --manifold.  "
        "[default: 8, 7, 20]",
    ),
    click.option(
        "--dimensions",
        metavar="N,N",
        callback=_numbers,
        help="Latent dimensions of --traverse, or the two of --manifold.  [default: those of lowest posterior "
        "variance]",
    ),
    click.option("--span", type=float, help="Distance of --traverse to each side, in latent units.  [default: 3]"),
)


@dataclasses.dataclass(frozen=True)
class Exploration:
    """Options of exploration."""

    interpolate: tuple[str, str] | None
    traverse: str | None
    manifold: bool
    method: Any
    steps: int | None
    dimensions: list[int] | None
    span: float | None
    label: str | None

    @property
    def job(self) -> str | None:
        """The chosen job: "interpolate", "traverse" or "manifold"; None without one."""
        return next((name for name in _STEPS if getattr(self, name) not in (None, False)), None)

    def check_exploration(self) -> None:
        """Raise `click.UsageError` for an option of another job."""
        for option, jobs in _JOBS.items():
            if getattr(self, option) is not None and self.job not in jobs:
                raise click.UsageError(f"--{option} is for --{', --'.join(jobs)}")


def explore(model: Model, request: Exploration, seed: int, read: _Read, output: Output) -> int:
    """Run the chosen job, and return the number of images.

    Args:
        model: the model to explore.
        request: the job and its options.
        seed: seed of the samples that indices refer to.
        read: reads image files.
        output: writes the pictures.
    """
    job = request.job
    assert job is not None
    steps = check_int("steps", _STEPS[job] if request.steps is None else request.steps, 2)
    if request.interpolate is not None:
        a, b = (_start(name, model, seed, read, request.label) for name in request.interpolate)
        output.check(steps)
        images = model.interpolate(a, b, steps=steps, method=request.method or "linear", label=request.label)
        output.write_rows(images, {"images": images})
    elif request.traverse is not None:
        start = _start(request.traverse, model, seed, read, request.label)
        dimensions = request.dimensions or model.rank_dimensions(start)[:TRAVERSED]
        output.check(len(dimensions) * steps)
        span = 3.0 if request.span is None else request.span
        images = model.traverse(start, dimensions, steps=steps, span=span, label=request.label)
        arrays = {"images": images, "dimensions": np.array(dimensions)}
        output.write_rows(images, arrays, captions=[str(dimension) for dimension in dimensions])
    else:
        dimensions = request.dimensions or sorted(model.rank_dimensions()[:2])
        output.check(steps * steps)
        images = model.manifold(dimensions, steps=steps, label=request.label)
        output.write_rows(images, {"images": images, "dimensions": np.array(dimensions)}, padding=0)
    return int(np.prod(images.shape[:-3]))


def _start(name: str, model: Model, seed: int, read: _Read, label: str | None) -> NDArray[Any]:
    """Latent of a sample, float32 (L,), if ``name`` is an index; otherwise the image of a file, uint8 (H, W, C)."""
    if name.isdecimal():
        starts: NDArray[Any] = model.latents(1, seed=seed, first=int(name), label=label)
    else:
        starts = read([Path(name)])
    if len(starts) != 1:
        raise InputError(f"{name}: expected one image, found {len(starts):,}; save one of them by itself")
    start: NDArray[Any] = starts[0]
    return start

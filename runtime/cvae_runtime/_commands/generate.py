"""``cvae-generate``: write samples, reconstructions and explorations as pictures or arrays."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import cli
from .._check import check_int, check_latents, check_memory
from .._engine import write_receipt
from .._images import check_cut, read_images, read_npy, to_uint8
from .._jobs import SHARD_FORMATS
from .._model import Model, check_samples, load
from .._system import progress, refuse_existing
from .executor import ExecutorChoice, engine_options
from .explore import Exploration, explore, explore_options
from .options import image_options, model_options
from .output import FORMATS, Output
from .shards import Sharding, shard_options

_Make = Callable[[int, int], NDArray[np.float32]]

_BLOCK = 4096  # images between two updates of the progress bar
_BAR_FROM = 20_000  # images; fewer take about a second
_SEVERAL = "--reconstruct"
_FORMATS = list(dict.fromkeys([*FORMATS, *SHARD_FORMATS]))


class _Command(click.Command):
    """Let ``--reconstruct A B C`` take all names up to the next option, as a shell expands ``*.png``."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        expanded: list[str] = []
        taking = False
        for argument in arguments:
            if argument.startswith("-") and argument != "-":
                taking = argument == _SEVERAL
                if taking:
                    continue
            expanded += [_SEVERAL, argument] if taking else [argument]
        if _SEVERAL in arguments and _SEVERAL not in expanded:
            expanded.append(_SEVERAL)  # no names: click raises the usage error
        return super().parse_args(context, expanded)


@click.command(cls=_Command)
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("-n", "--count", type=int, help="Number of samples.  [default: 16]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the samples.")
@click.option("--first", type=int, default=0, show_default=True, help="Index of the first sample.")
@click.option("--temperature", type=float, help="Factor on the latents.  [default: 1]")
@click.option("--latents", type=click.Path(path_type=Path), help="Decode the latents of an .npy file, float32 (N, L).")
@click.option(
    _SEVERAL,
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="IMAGE...",
    help="Reconstruct image files or .npy arrays; pictures show originals above reconstructions.",
)
@explore_options
@image_options
@model_options
@click.option(
    "--format", type=click.Choice(_FORMATS), help="Format of the output.  [default: by its name, otherwise png]"
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "uint8"]),
    help="Type of arrays: values in [0, 1], or levels 0 to 255.  [default: float32]",
)
@click.option("--separate", is_flag=True, help="Write each image to its own file in the folder --output.")
@shard_options
@engine_options
@click.option("--gif", is_flag=True, help="Write an animation, by default samples.gif; same as --format gif.")
@click.option(
    "--scale",
    type=click.IntRange(1, 16),
    help="Factor of enlargement of pictures.  [default: 2 in grids of images up to 64 pixels, otherwise 1]",
)
@click.option("--captions", is_flag=True, help="Write indices below samples, dimensions beside rows of --traverse.")
@click.option(
    "--receipt", type=click.Path(path_type=Path), help="Write a provenance record of the run to this file, as JSON."
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option(
    "-o",
    "--output",
    help="Output file, - for stdout, or folder of --separate and --shard-size.  [default: samples.png; samples with "
    "--shard-size]",
)
@cli.common_options
def command(bundle: Path | None, **options: Any) -> None:
    """Generate samples of a model, reconstruct images, or explore the latent space.

    BUNDLE is a folder that cvae-export wrote; the default is the packaged MNIST model.

    A sample depends on --seed and its index alone: --first 40 -n 1 gives sample 40 of -n 64.
    """
    request = _Request(**options)
    request.check()
    output = None if request.shard_size is not None else request.checked_output()
    if request.receipt is not None:
        refuse_existing(request.receipt, request.overwrite)
    with load(bundle, provider=request.provider, precision=request.precision, threads=request.threads) as model:
        if output is None:
            _write_shards(model, bundle, request)
        elif request.reconstruct:
            _reconstruct(model, request, output)
        elif request.job:
            explore(model, request, request.seed, request.reader(model), output)
        else:
            _generate(model, request, output)
        if request.receipt is not None:
            write_receipt(request.receipt, model.receipt(), request.as_json())


@dataclasses.dataclass(frozen=True)
class _Request(Exploration, Sharding, ExecutorChoice):
    """Options of the command line."""

    count: int | None
    seed: int
    first: int
    temperature: float | None
    latents: Path | None
    reconstruct: tuple[Path, ...]
    resize: bool
    grey: bool
    invert: bool
    provider: Any
    precision: Any
    threads: int | None
    format: str | None
    dtype: Any
    separate: bool
    gif: bool
    scale: int | None
    captions: bool
    receipt: Path | None
    overwrite: bool
    output: str | None
    quiet: bool
    verbose: bool

    def check(self) -> None:
        """Raise `click.UsageError` for contradictory options."""
        jobs = ("latents", "reconstruct", "interpolate", "traverse", "manifold")
        sources = [name for name in jobs if getattr(self, name) not in (None, False, ())]
        if len(sources) >= 2:
            raise click.UsageError(f"--{sources[0]} and --{sources[1]} contradict each other: pass one of them")
        if sources and (self.count is not None or self.temperature is not None or self.first):
            raise click.UsageError(f"--count, --first and --temperature are for samples, not for --{sources[0]}")
        if (self.resize or self.grey or self.invert) and not {"reconstruct", "interpolate", "traverse"} & {*sources}:
            raise click.UsageError("--resize, --grey and --invert are for --reconstruct, --interpolate and --traverse")
        if self.captions and {"reconstruct", "interpolate", "manifold"} & {*sources}:
            raise click.UsageError(f"--captions is for samples and --traverse, not for --{sources[0]}")
        if self.gif and self.format not in (None, "gif"):
            raise click.UsageError(f"--gif and --format {self.format} contradict each other: pass one of them")
        self.check_exploration()
        pictures = [name for name in ("separate", "gif", "scale", "captions") if getattr(self, name)]
        if self.shard_size is not None and (others := sources + pictures):
            raise click.UsageError(f"--shard-size is for samples, not for --{others[0]}")
        self.check_sharding(self.format, self.dtype, self.output, overwrite=self.overwrite)
        self.check_engine(tasks=self.shard_size is not None, receipt=self.receipt is not None)
        if self.receipt is not None and self.receipt == Path(self.target):
            raise click.UsageError("--receipt and --output name the same file")

    @property
    def target(self) -> str:
        """Output file, or folder of shards."""
        if self.output is not None:
            return self.output
        return "samples" if self.shard_size is not None else "samples.gif" if self.gif else "samples.png"

    def checked_output(self) -> Output:
        """Make the output of images that are not written as shards."""
        return Output(
            self.target,
            "gif" if self.gif else self.format,
            separate=self.separate,
            overwrite=self.overwrite,
            dtype=self.dtype,
            scale=self.scale,
            captions=self.captions,
        )

    @property
    def samples(self) -> tuple[int, float]:
        """Number of samples, and temperature."""
        return 16 if self.count is None else self.count, 1.0 if self.temperature is None else self.temperature

    def as_json(self) -> dict[str, Any]:
        """Options as JSON values, for the receipt."""
        if self.latents is not None:
            return {"latents": str(self.latents)}
        if self.reconstruct:
            return {"reconstruct": [str(path) for path in self.reconstruct]}
        if self.job:
            value = getattr(self, self.job)
            return {"seed": self.seed, self.job: list(value) if isinstance(value, tuple) else value}
        count, temperature = self.samples
        return {"seed": self.seed, "first": self.first, "count": count, "temperature": temperature}

    def reader(self, model: Model) -> Callable[[Sequence[Path]], NDArray[np.uint8]]:
        """Make a function that reads image files for a model, and checks them against its threshold."""

        def read(paths: Sequence[Path]) -> NDArray[np.uint8]:
            images = read_images(paths, model.image_shape, resize=self.resize, grey=self.grey, invert=self.invert)
            check_cut(images, model.manifest.model.preprocessing.binarize_at, ", ".join(map(str, paths)))
            return images

        return read


def _write_shards(model: Model, bundle: Path | None, request: _Request) -> None:
    count, temperature = request.samples
    samples = {"count": count, "seed": request.seed, "first": request.first, "temperature": temperature}
    request.write(
        model,
        Path(request.target),
        request.format,
        request.dtype,
        overwrite=request.overwrite,
        quiet=request.quiet,
        executor=request.executor(model, bundle, request.precision, request.threads),
        **samples,
    )


def _generate(model: Model, request: _Request, output: Output) -> None:
    blocks = functools.partial(_in_blocks, shape=model.image_shape, quiet=request.quiet)
    if request.latents is not None:
        latents = check_latents(read_npy(request.latents), model.latent_dim)
        output.check(len(latents))
        images = blocks(lambda start, stop: model.decode(latents[start:stop]), len(latents))
        output.write(images, {"images": images, "latents": latents})
        return
    count, temperature = request.samples
    output.check(check_int("count", count, 1))
    check_samples(model.manifest.model, count, seed=request.seed, first=request.first, temperature=temperature)
    check_memory(count, model.image_shape)

    def block(start: int, stop: int) -> NDArray[np.float32]:
        return model.generate(stop - start, seed=request.seed, first=request.first + start, temperature=temperature)

    images = blocks(block, count)
    indices = np.uint64(request.first) + np.arange(count, dtype=np.uint64)
    output.write(images, {"images": images, "seed": np.array(request.seed), "index": indices}, request.first)


def _reconstruct(model: Model, request: _Request, output: Output) -> None:
    originals = request.reader(model)(request.reconstruct)
    output.check(2 * len(originals))
    reconstructions = model.reconstruct(originals)
    if output.is_array:
        output.write(reconstructions, {"images": reconstructions, "originals": originals})
    else:
        output.write_pairs(originals, to_uint8(reconstructions))


def _in_blocks(make: _Make, count: int, shape: tuple[int, int, int], *, quiet: bool) -> NDArray[np.float32]:
    """Call ``make(start, stop)`` over ``range(count)``, with a progress bar for many images."""
    if quiet or count < _BAR_FROM:
        return make(0, count)
    images = np.empty((count, *shape), np.float32)
    with progress(count, "images") as advance:
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            images[start:stop] = make(start, stop)
            advance(stop - start)
    return images


def main() -> None:
    """Entry point of ``cvae-generate``."""
    cli.run(command)

"""``cvae-generate``: samples and reconstructions as pictures or arrays."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from numpy.typing import NDArray

from . import cli
from ._arrays import read_npy
from ._check import check_latents
from ._image_files import read_images
from ._manifest import Precision
from ._model import Model, load
from ._output import FORMATS, Output
from ._pictures import to_uint8
from ._progress import progress
from ._providers import PROVIDERS
from ._shard_formats import SHARD_FORMATS
from ._shards import ShardSettings, write_shards
from ._whole import whole

_Make = Callable[[int, int], NDArray[np.float32]]

_DEFAULT_COUNT = 16
_BLOCK = 4096  # images between two moves of the progress bar
_BAR_FROM = 20_000  # images; fewer are done within about a second
_SEVERAL = "--reconstruct"
_FORMATS = dict.fromkeys([*FORMATS, *SHARD_FORMATS])


class _Command(click.Command):
    """Lets ``--reconstruct A B C`` take all the names up to the next option, as a shell's ``*.png`` gives them."""

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
            expanded.append(_SEVERAL)  # without a name, for click to complain about
        return super().parse_args(context, expanded)


@click.command(cls=_Command)
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("-n", "--count", type=int, help="How many samples.  [default: 16]")
@click.option("--seed", type=int, default=0, show_default=True, help="Names the stream of samples.")
@click.option("--first", type=int, default=0, show_default=True, help="Index of the first sample in the stream.")
@click.option("--temperature", type=float, help="Factor on the latents.  [default: 1]")
@click.option("--latents", type=click.Path(path_type=Path), help="Decode these instead: .npy, float32 (N, L).")
@click.option(
    _SEVERAL,
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="IMAGE...",
    help="Reconstruct image files or .npy arrays: originals above reconstructions.",
)
@click.option("--resize", is_flag=True, help="Scale and crop images to the model's size.")
@click.option("--gray", is_flag=True, help="Turn colour images grey.")
@click.option("--invert", is_flag=True, help="Swap light and dark, for dark digits on white paper.")
@click.option("--provider", type=click.Choice(["auto", *PROVIDERS]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(get_args(Precision)), default="float32", show_default=True)
@click.option("--threads", type=int, help="How many run at a time.  [default: all cores]")
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), help="Default: by the output's name, else png.")
@click.option("--dtype", type=click.Choice(["float32", "uint8"]), help="Of arrays.  [default: float32]")
@click.option("--separate", is_flag=True, help="A file an image, in the folder that --output names.")
@click.option("--shard-size", type=int, help="Write a folder of files of this many samples: npy, parquet or tar.")
@click.option("--resume", is_flag=True, help="Go on with a folder of shards at those that are missing.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.option(
    "-o",
    "--output",
    help="The file, - for stdout, or the folder for files.  [default: samples.png; samples with --shard-size]",
)
@cli.common_options
def command(bundle: Path | None, **options: Any) -> None:
    """Draw samples of a model, or reconstruct images.

    BUNDLE is a folder that cvae-export made; without it the MNIST model of the package is used.

    A sample is a function of --seed and its index alone: sample 40 of -n 64 is the one of --first 40 -n 1.
    """
    request = _Request(**options)
    request.check()
    output = None if request.shard_size is not None else request.checked_output()
    with load(bundle, provider=request.provider, precision=request.precision, threads=request.threads) as model:
        if output is None:
            _write_shards(model, request)
        elif request.reconstruct:
            _reconstruct(model, request, output)
        else:
            _generate(model, request, output)


@dataclasses.dataclass(frozen=True)
class _Request:
    """The command line's options, by their names."""

    count: int | None
    seed: int
    first: int
    temperature: float | None
    latents: Path | None
    reconstruct: tuple[Path, ...]
    resize: bool
    gray: bool
    invert: bool
    provider: Any
    precision: Any
    threads: int | None
    form: str | None
    dtype: Any
    separate: bool
    shard_size: Any
    resume: bool
    overwrite: bool
    output: str | None
    quiet: bool
    verbose: bool

    def check(self) -> None:
        """Raise `click.UsageError` for options that contradict each other."""
        sources = [name for name in ("latents", "reconstruct") if getattr(self, name)]
        if len(sources) == 2:
            raise click.UsageError("--latents and --reconstruct are two jobs: give one of them")
        if sources and (self.count is not None or self.temperature is not None or self.first):
            raise click.UsageError(f"--count, --first and --temperature are for samples, not for --{sources[0]}")
        if not self.reconstruct and (self.resize or self.gray or self.invert):
            raise click.UsageError("--resize, --gray and --invert are for --reconstruct")
        if self.shard_size is None:
            if self.resume:
                raise click.UsageError("--resume is for shards: say --shard-size")
            if self.form is not None and self.form not in FORMATS:
                raise click.UsageError(f"--format {self.form} is written in shards: say --shard-size")
        else:
            self._check_shards()

    def _check_shards(self) -> None:
        if self.latents or self.reconstruct or self.separate:
            raise click.UsageError("--shard-size is for samples, not for --latents, --reconstruct or --separate")
        if self.form is not None and self.form not in SHARD_FORMATS:
            raise click.UsageError(f"shards are {', '.join(SHARD_FORMATS)}; found --format {self.form}")
        if self.form == "tar" and self.dtype is not None:
            raise click.UsageError("--dtype is for arrays; a tar holds pictures")
        if self.output == "-":
            raise click.UsageError("shards are files in a folder: name it with --output")
        if self.resume and self.overwrite:
            raise click.UsageError("--resume goes on and --overwrite begins anew: give one of them")

    def checked_output(self) -> Output:
        """Where images go that are not written in shards."""
        name = "samples.png" if self.output is None else self.output
        return Output(name, self.form, separate=self.separate, overwrite=self.overwrite, dtype=self.dtype)


def _write_shards(model: Model, request: _Request) -> None:
    form = request.form or "npy"
    settings = ShardSettings.of(
        model,
        count=_DEFAULT_COUNT if request.count is None else request.count,
        seed=request.seed,
        first=request.first,
        temperature=1.0 if request.temperature is None else request.temperature,
        shard_size=request.shard_size,
        form=form,
        dtype="uint8" if form == "tar" else request.dtype or "float32",
    )
    folder = Path(request.output or "samples")
    write_shards(model, folder, settings, resume=request.resume, overwrite=request.overwrite, quiet=request.quiet)


def _generate(model: Model, request: _Request, output: Output) -> None:
    blocks = functools.partial(_in_blocks, shape=model.image_shape, quiet=request.quiet)
    if request.latents is not None:
        latents = check_latents(read_npy(request.latents), model.latent_dim)
        output.check(len(latents))
        images = blocks(lambda start, stop: model.decode(latents[start:stop]), len(latents))
        output.write(images, {"images": images, "latents": latents})
        return
    count = _DEFAULT_COUNT if request.count is None else request.count
    temperature = 1.0 if request.temperature is None else request.temperature
    output.check(whole("count", count, 1))
    model.check_generate(count, seed=request.seed, first=request.first, temperature=temperature)

    def block(start: int, stop: int) -> NDArray[np.float32]:
        return model.generate(stop - start, seed=request.seed, first=request.first + start, temperature=temperature)

    images = blocks(block, count)
    indices = np.uint64(request.first) + np.arange(count, dtype=np.uint64)
    output.write(images, {"images": images, "seed": np.array(request.seed), "index": indices}, request.first)


def _reconstruct(model: Model, request: _Request, output: Output) -> None:
    originals = read_images(
        request.reconstruct, model.image_shape, resize=request.resize, gray=request.gray, invert=request.invert
    )
    output.check(2 * len(originals))
    reconstructions = model.reconstruct(originals)
    if output.is_array:
        output.write(reconstructions, {"images": reconstructions, "originals": originals})
    else:
        output.write_pairs(originals, to_uint8(reconstructions))


def _in_blocks(make: _Make, count: int, shape: tuple[int, int, int], *, quiet: bool) -> NDArray[np.float32]:
    """``make(start, stop)`` over ``range(count)``, with a progress bar where it takes long."""
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

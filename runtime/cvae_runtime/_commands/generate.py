"""``cvae-generate``: write samples, reconstructions and explorations as pictures or arrays."""

import dataclasses
import functools
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .. import cli
from .._check import check_int, check_latents, check_memory
from .._engine import write_receipt
from .._errors import InputError
from .._images import check_cut, describe_skipped, npz_names, open_images, read_npy, to_uint8
from .._jobs import SHARD_FORMATS, ShardSettings, write_shards
from .._model import Model, check_samples, class_names, load
from .._system import printable_values, progress, refuse_existing, shell_quote
from .executor import EXECUTOR_OPTIONS, ExecutorChoice, executor_options
from .explore import EXPLORE_OPTIONS, Exploration, explore, explore_options
from .options import MODEL_OPTIONS, model_options
from .output import FORMATS, Output
from .shards import SHARD_OPTIONS, Sharding, shard_options

_Make = Callable[[int, int], NDArray[np.float32]]

_BLOCK = 4096  # images between two updates of the progress bar
_BAR_FROM = 20_000  # images; fewer take about a second
_SEVERAL = ("--reconstruct", "--restyle")
_ALL = "all"  # of --label
_LATENTS = ("latents", "mean")  # names of latents in the archives of cvae-generate and cvae-encode
_FORMATS = list(dict.fromkeys([*FORMATS, *SHARD_FORMATS]))


class _Command(cli.SectionedCommand):
    """Let ``--reconstruct A B C`` and ``--restyle`` take all names to the next option, as a shell expands ``*.png``."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        expanded: list[str] = []
        taking: str | None = None
        for argument in arguments:
            if argument.startswith("-") and argument != "-":
                taking = argument if argument in _SEVERAL else None
                if taking is not None:
                    continue
            expanded += [argument] if taking is None else [taking, argument]
        # Without names, click raises the usage error.
        expanded += [option for option in _SEVERAL if option in arguments and option not in expanded]
        return super().parse_args(context, expanded)


# An option of `_SEVERAL`.
_several = functools.partial(click.option, type=click.Path(path_type=Path), multiple=True, metavar="IMAGES...")


@click.command(
    cls=_Command,
    sections={
        "Samples": ("count", "label", "seed", "first", "temperature", "latents"),
        "Reconstructions": ("reconstruct", "restyle", *cli.IMAGE_OPTIONS),
        "Exploration of the latent space": EXPLORE_OPTIONS,
        "Output": ("output", "format", "dtype", "separate", "overwrite", "as_json", "receipt"),
        "Pictures": ("gif", "scale", "captions"),
        "Shards": (*SHARD_OPTIONS, *EXECUTOR_OPTIONS),
        "Model": MODEL_OPTIONS,
    },
    examples=[
        "cvae-generate my-model -n 64 --seed 7 -o samples.png",
        "cvae-generate my-model --reconstruct photos/ --resize -o reconstructions.png",
        "cvae-generate my-model --interpolate a.png b.png --resize --gif -o between.gif",
    ],
)
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("-n", "--count", type=int, help="Number of samples.  [default: 16]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the samples.")
@click.option("--first", type=int, default=0, show_default=True, help="Index of the first sample.")
@click.option("--temperature", type=float, help="Factor on the latents; 0 gives the mean of the prior.  [default: 1]")
@click.option(
    "--label",
    metavar="NAME",
    help="Class of the samples, of a model with labels; all: a row for each class, with the same noise.  "
    "[default: no label]",
)
@click.option("--latents", type=click.Path(path_type=Path), help="Decode the latents of an .npy file, float32 (N, L).")
@_several(
    "--reconstruct",
    help="Reconstruct image files, folders of images or .npy arrays; pictures show originals above reconstructions.",
)
@_several(
    "--restyle",
    help="Draw each image in every class of a model with labels: a row for each image, which begins with the image.",
)
@explore_options
@cli.image_options
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
@executor_options
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
@cli.json_option
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
            images = _write_shards(model, bundle, request)
        elif request.reconstruct:
            images = _reconstruct(model, request, output)
        elif request.restyle:
            images = _restyle(model, request, output)
        elif request.job:
            images = explore(model, request, request.seed, request.reader(model), output)
        else:
            images = _generate(model, request, output)
        if request.receipt is not None:
            write_receipt(request.receipt, model.receipt(), request.to_json())
        if request.as_json:
            file_format = request.format or "npy" if output is None else output.format
            result = {"output": request.target, "format": file_format, "images": images, "request": request.to_json()}
            cli.print_json(result)


@dataclasses.dataclass(frozen=True)
class _Request(Exploration, Sharding, ExecutorChoice):
    """Options of the command line."""

    count: int | None
    seed: int
    first: int
    temperature: float | None
    latents: Path | None
    reconstruct: tuple[Path, ...]
    restyle: tuple[Path, ...]
    label: str | None
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
    as_json: bool
    output: str | None
    quiet: bool
    verbose: bool

    def check(self) -> None:
        """Raise `click.UsageError` for contradictory options."""
        jobs = ("latents", "reconstruct", "restyle", "interpolate", "traverse", "manifold")
        sources = [name for name in jobs if getattr(self, name) not in (None, False, ())]
        if len(sources) >= 2:
            raise click.UsageError(f"--{sources[0]} and --{sources[1]} contradict each other: pass one of them")
        if sources and (self.count is not None or self.temperature is not None or self.first):
            raise click.UsageError(f"--count, --first and --temperature are for samples, not for --{sources[0]}")
        of_files = ("reconstruct", "restyle", "interpolate", "traverse")
        if (self.resize or self.grey or self.invert) and not {*of_files} & {*sources}:
            raise click.UsageError(
                "--resize, --grey and --invert are for --reconstruct, --restyle, --interpolate and --traverse"
            )
        if self.label is not None and "restyle" in sources:
            raise click.UsageError("--restyle draws every class: leave --label out")
        if self.label == _ALL and (sources or self.shard_size is not None):
            other = sources[0] if sources else "shard-size"
            raise click.UsageError(
                f"--label {_ALL} draws samples into one file: leave --{other} out, or name one class"
            )
        if self.captions and {"reconstruct", "restyle", "interpolate", "manifold"} & {*sources}:
            raise click.UsageError(f"--captions is for samples and --traverse, not for --{sources[0]}")
        if self.gif and self.format not in (None, "gif"):
            raise click.UsageError(f"--gif and --format {self.format} contradict each other: pass one of them")
        cli.check_json(self.as_json, self.output)
        self.check_exploration()
        pictures = [name for name in ("separate", "gif", "scale", "captions") if getattr(self, name)]
        if self.shard_size is not None and (others := sources + pictures):
            raise click.UsageError(f"--shard-size is for samples, not for --{others[0]}")
        self.check_sharding(self.format, self.dtype, self.output, overwrite=self.overwrite)
        self.check_executor(tasks=self.shard_size is not None, receipt=self.receipt is not None)
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

    def to_json(self) -> dict[str, Any]:
        """Options as JSON values, for the receipt and for ``--json``."""
        if self.latents is not None:
            return {"latents": str(self.latents), **self._label}
        for name in ("reconstruct", "restyle"):
            if paths := getattr(self, name):
                return {name: [str(path) for path in paths], **self._label}
        if self.job:
            value = getattr(self, self.job)
            return {"seed": self.seed, self.job: list(value) if isinstance(value, tuple) else value, **self._label}
        count, temperature = self.samples
        return {
            "seed": self.seed,
            "first": self.first,
            "count": count,
            "temperature": temperature,
            **self._label,
        }

    @property
    def _label(self) -> dict[str, str]:
        return {} if self.label is None else {"label": self.label}

    def reader(self, model: Model) -> Callable[[Sequence[Path]], NDArray[np.uint8]]:
        """Make a function that reads files and folders of images for a model, and checks them against its threshold."""

        def read(paths: Sequence[Path]) -> NDArray[np.uint8]:
            batches = []
            for path in paths:
                source = open_images(path, model.image_shape, resize=self.resize, grey=self.grey, invert=self.invert)
                batches.append(source.read(0, source.count))
                if source.skipped and not self.quiet:
                    click.echo(f"{path}: {describe_skipped(source.skipped)}", err=True)
            images = np.concatenate(batches)
            check_cut(images, model.manifest.model.preprocessing.binarize_at, ", ".join(map(str, paths)))
            return images

        return read


def _write_shards(model: Model, bundle: Path | None, request: _Request) -> int:
    """Write samples as a folder of shards, and return their number."""
    count, temperature = request.samples
    file_format = request.format or "npy"
    settings = ShardSettings.of(
        model,
        count=count,
        seed=request.seed,
        first=request.first,
        temperature=temperature,
        shard_size=request.shard_size,
        file_format=file_format,
        dtype="uint8" if file_format == "tar" else request.dtype or "float32",
        label=request.label,
    )
    write_shards(
        model,
        Path(request.target),
        settings,
        resume=request.resume,
        overwrite=request.overwrite,
        quiet=request.quiet,
        executor=request.make_executor(model, bundle, request.precision, request.threads),
    )
    return count


def _generate(model: Model, request: _Request, output: Output) -> int:
    """Write samples or decoded latents, and return their number."""
    blocks = functools.partial(_in_blocks, shape=model.image_shape, quiet=request.quiet)
    if request.latents is not None:
        latents = _read_latents(request.latents, model.latent_dim)
        output.check(len(latents))
        images = blocks(lambda start, stop: model.decode(latents[start:stop], label=request.label), len(latents))
        output.write(images, {"images": images, "latents": latents})
        return len(latents)
    count, temperature = request.samples
    output.check(check_int("count", count, 1))
    check_samples(model.manifest.model, count, seed=request.seed, first=request.first, temperature=temperature)
    if request.label == _ALL:
        return _every_class(model, request, output)
    check_memory(count, model.image_shape)

    def block(start: int, stop: int) -> NDArray[np.float32]:
        return model.generate(
            stop - start,
            seed=request.seed,
            first=request.first + start,
            temperature=temperature,
            label=request.label,
        )

    images = blocks(block, count)
    indices = np.uint64(request.first) + np.arange(count, dtype=np.uint64)
    label = {} if request.label is None else {"label": np.array(request.label)}
    output.write(images, {"images": images, "seed": np.array(request.seed), "index": indices, **label}, request.first)
    return count


def _every_class(model: Model, request: _Request, output: Output) -> int:
    """Write a row of samples for each class, and return the number of images."""
    count, temperature = request.samples
    names = class_names(model.manifest.model)
    output.check(count * len(names))
    check_memory(count * len(names), model.image_shape)
    images = np.empty((len(names), count, *model.image_shape), np.float32)
    for index, row in enumerate(images):
        row[:] = model.generate(count, seed=request.seed, first=request.first, temperature=temperature, label=index)
    output.write_rows(images, {"images": images, "labels": np.array(names)}, captions=printable_values(names))
    return count * len(names)


def _read_latents(path: Path, latent_dim: int) -> NDArray[np.float32]:
    """Read latents, float32 (N, L), from an ``.npy`` file."""
    if path.is_file() and zipfile.is_zipfile(path):
        names = npz_names(path)
        advice = "save one of its arrays with numpy.save"
        if known := [name for name in _LATENTS if name in names]:
            program = f"import sys, numpy; numpy.save(sys.argv[2], numpy.load(sys.argv[1])['{known[0]}'])"
            advice = f'convert it: python -c "{program}" {shell_quote(path)} {shell_quote(path.with_suffix(".npy"))}'
        found = f"an .npz archive of {', '.join(names) or 'nothing'}"
        raise InputError(f"{path}: expected an .npy file of latents, found {found}; {advice}")
    return check_latents(read_npy(path), latent_dim)


def _reconstruct(model: Model, request: _Request, output: Output) -> int:
    """Write reconstructions, and return their number."""
    originals = request.reader(model)(request.reconstruct)
    output.check(2 * len(originals))
    reconstructions = model.reconstruct(originals, label=request.label)
    if output.is_array:
        output.write(reconstructions, {"images": reconstructions, "originals": originals})
    else:
        output.write_pairs(originals, to_uint8(reconstructions))
    return len(originals)


def _restyle(model: Model, request: _Request, output: Output) -> int:
    """Write each image and its restyled images in a row, and return the number of restyled images."""
    names = class_names(model.manifest.model)
    originals = request.reader(model)(request.restyle)
    output.check((len(names) + 1) * len(originals))
    check_memory((len(names) + 1) * len(originals), model.image_shape)
    rows = np.empty((len(originals), len(names) + 1, *model.image_shape), np.float32)
    rows[:, 0] = originals / np.float32(255)
    own = model.classify(originals).argmax(axis=1).tolist()
    for column, name in enumerate(names, 1):
        rows[:, column] = model.restyle(originals, [name], of=own)
    arrays = {"originals": originals, "labels": np.array(names)}
    output.write_rows(rows[:, 1:] if output.is_array else rows, arrays)
    return len(names) * len(originals)


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

"""``cvae-encode``: a table of codes and ELBOs of any number of images, and a picture of the strangest."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from . import cli
from ._anomalies import Strangest, draw_pairs
from ._cli_options import image_options, model_options
from ._code_formats import CODE_FORMATS
from ._codes import Columns, code_batch, code_columns
from ._errors import InputError
from ._extras import require
from ._files import new_file, refuse_existing, write_file
from ._image_source import ImageSource, open_images
from ._model import Model, load
from ._pictures import encode_png, to_uint8
from ._progress import progress

_MOST_ANOMALIES = 1000  # of one picture


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="[BUNDLE] IMAGES")
@image_options
@click.option("--samples", type=int, default=1, show_default=True, help="Draws of the ELBO for an image.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws.")
@click.option(
    "--top-anomalies",
    type=click.IntRange(1, _MOST_ANOMALIES),
    metavar="N",
    help="Print and draw the N images of the lowest ELBO.",
)
@click.option(
    "--anomalies", type=click.Path(path_type=Path), help="Their picture.  [default: anomalies.png beside the output]"
)
@model_options
@click.option("--format", "form", type=click.Choice(list(CODE_FORMATS)), help="Default: by the output's name.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write what ran, and where, as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="codes.npz", show_default=True, help="The table."
)
@cli.common_options
def command(paths: tuple[Path, ...], **options: Any) -> None:
    """Write a table with mean, logvar and ELBO of each image, for search, clustering and anomaly detection.

    BUNDLE is a folder that cvae-export made; without it the MNIST model of the package is used. IMAGES is a folder of
    pictures, one picture, an .npy or an IDX file; there may be more of them than memory holds.
    """
    if len(paths) > 2:
        raise click.UsageError(f"expected a bundle and images, found {len(paths)} names; put pictures into one folder")
    request = _Request(images=paths[-1], **options)
    request.check()
    with load(
        paths[0] if len(paths) == 2 else None,
        provider=request.provider,
        precision=request.precision,
        threads=request.threads,
    ) as model:
        _encode(model, request)
        if request.receipt is not None:
            receipt = model.receipt() | {"request": request.as_json()}
            write_file(request.receipt, (json.dumps(receipt, indent=1) + "\n").encode())


@dataclasses.dataclass(frozen=True)
class _Request:
    """The command line's arguments, by their names."""

    images: Path
    resize: bool
    gray: bool
    invert: bool
    samples: int
    seed: int
    top_anomalies: int | None
    anomalies: Path | None
    provider: Any
    precision: Any
    threads: int | None
    form: str | None
    receipt: Path | None
    overwrite: bool
    output: Path
    quiet: bool
    verbose: bool

    def check(self) -> None:
        """Raise an error for options that contradict each other, and for files that cannot be written."""
        if self.anomalies is not None and self.top_anomalies is None:
            raise click.UsageError("--anomalies names the picture of --top-anomalies: say how many")
        if str(self.output) == "-":
            raise click.UsageError("a table is a file: name it with --output")
        if self.table_format == "parquet":
            require("pyarrow", "parquet")
        picture = self.picture if self.top_anomalies is not None else None
        files = {"output": self.output, "anomalies": picture, "receipt": self.receipt}
        for (one, path), (other, same) in itertools.combinations(files.items(), 2):
            if path is not None and path == same:
                raise click.UsageError(f"--{one} and --{other} name the same file")
        for path in files.values():
            if path is not None:
                refuse_existing(path, self.overwrite)

    @property
    def table_format(self) -> str:
        """One of `CODE_FORMATS`; raises `InputError` where neither an option nor the output's name tells it."""
        form = self.form or self.output.suffix[1:].lower()
        if form not in CODE_FORMATS:
            raise InputError(
                f"{self.output}: expected a name that ends in .{', .'.join(CODE_FORMATS)}; or say --format"
            )
        return form

    @property
    def picture(self) -> Path:
        """Where the strangest images are drawn."""
        return self.output.with_name("anomalies.png") if self.anomalies is None else self.anomalies

    def as_json(self) -> dict[str, Any]:
        """What was asked for, as values of JSON, for the receipt."""
        names = ("resize", "gray", "invert", "samples", "seed")
        return {"images": str(self.images), **{name: getattr(self, name) for name in names}}


def _encode(model: Model, request: _Request) -> None:
    shape = model.image_shape
    source = open_images(request.images, shape, resize=request.resize, gray=request.gray, invert=request.invert)
    strangest = Strangest(request.top_anomalies or 0, shape)
    quiet = request.quiet or source.count <= code_batch(shape)
    with new_file(request.output) as file, progress(source.count, "images", quiet=quiet) as advance:
        CODE_FORMATS[request.table_format](file, _tables(model, source, request, strangest, advance))
    if request.top_anomalies is not None:
        reconstructions = to_uint8(model.reconstruct(strangest.images))
        labels = [str(index) for index in strangest.index]
        write_file(request.picture, encode_png(draw_pairs(strangest.images, reconstructions, labels)))
        for index, elbo in () if request.quiet else zip(strangest.index.tolist(), strangest.elbo, strict=True):
            name = [] if source.names is None else [source.names[index]]
            click.echo("\t".join([str(index), *name, f"{elbo:.2f}"]))


def _tables(
    model: Model, source: ImageSource, request: _Request, strangest: Strangest, advance: Callable[[int], None]
) -> Iterator[Columns]:
    """The table's columns, a batch of images at a time."""
    size = code_batch(model.image_shape)
    widest = max(map(len, source.names or [""]))
    for start in range(0, source.count, size):
        stop = min(start + size, source.count)
        images = source.read(start, stop)
        columns: Columns = {"index": np.arange(start, stop, dtype=np.int64)}
        if source.names is not None:
            columns["path"] = np.array(source.names[start:stop], f"<U{widest}")
        columns |= code_columns(model, images, start, samples=request.samples, seed=request.seed)
        strangest.offer(columns["index"], columns["elbo"], images)
        yield columns
        advance(stop - start)


def main() -> None:
    """Entry point of ``cvae-encode``."""
    cli.run(command)

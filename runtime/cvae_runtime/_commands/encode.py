"""``cvae-encode``: write codes, ELBOs and alarms of any number of images, and draw the strangest ones."""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from .. import cli
from .._engine import write_receipt
from .._errors import InputError
from .._images import ImageSource, describe_skipped, encode_png, to_uint8
from .._jobs import (
    CODE_FORMATS,
    Columns,
    EncodedBatch,
    Encoding,
    InProcess,
    LowestElbo,
    batches_of,
    code_batch,
    draw_alarms,
    draw_pairs,
)
from .._model import Model, check_detector, class_names, load
from .._system import check_stdout, new_file, progress, refuse_existing, require, write_file
from .executor import EXECUTOR_OPTIONS, ExecutorChoice, executor_options
from .options import MODEL_OPTIONS, model_options

ALARMS = 10  # exit code: some images raise an alarm

_MOST_ANOMALIES = 1000  # of one picture
_MOST_ALARMS = 100  # of one picture


@click.command(
    cls=cli.SectionedCommand,
    sections={
        "Images": cli.IMAGE_OPTIONS,
        "Scores": ("samples", "seed", "classify"),
        "Anomalies": ("alarms", "top_anomalies", "anomalies"),
        "Output": ("output", "format", "overwrite", "as_json", "receipt"),
        "Model": MODEL_OPTIONS,
        "Cluster": EXECUTOR_OPTIONS,
    },
    examples=[
        "cvae-encode my-model photos/ --resize -o codes.npz",
        "cvae-encode my-model photos/ --resize --top-anomalies 20 -o codes.parquet",
        "cvae-encode my-detector parts/ --alarms -o codes.npz",
    ],
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="[BUNDLE] IMAGES")
@cli.image_options
@click.option("--samples", type=int, default=1, show_default=True, help="Posterior samples for each image's ELBO.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the posterior samples.")
@click.option(
    "--classify",
    is_flag=True,
    help="Also write each image's most probable class and its probability, with a model with labels.",
)
@click.option(
    "--alarms",
    is_flag=True,
    help="Also write p-value, score, alarm and box of each image, with a bundle of cvae-calibrate. Draw the images that "
    "raise an alarm, and exit with code 10 if there are any.",
)
@click.option(
    "--top-anomalies",
    type=click.IntRange(1, _MOST_ANOMALIES),
    metavar="N",
    help="Print and draw the N images of the lowest ELBO, in nats.  [default: none]",
)
@click.option(
    "--anomalies",
    type=click.Path(path_type=Path),
    help="Path of the picture of --top-anomalies.  [default: named after the table: codes_anomalies.png]",
)
@model_options
@executor_options
@click.option(
    "--format", type=click.Choice(list(CODE_FORMATS)), help="Format of the table.  [default: by the output's name]"
)
@click.option(
    "--receipt", type=click.Path(path_type=Path), help="Write a provenance record of the run to this file, as JSON."
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@cli.json_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="codes.npz", show_default=True, help="Path of the table."
)
@cli.common_options
def command(paths: tuple[Path, ...], **options: Any) -> int:
    """Write a table with the mean, logvar and ELBO of each image, for search, clustering and anomaly detection.

    BUNDLE is a folder that cvae-export wrote; the default is the packaged MNIST model. IMAGES is a folder of images, an
    image file, an .npy or an IDX file; the images may exceed memory.
    """
    if len(paths) > 2:
        raise click.UsageError(
            f"expected a bundle and images, found {len(paths)} paths; put the images into one folder"
        )
    request = _Request(images=paths[-1], **options)
    request.check()
    with load(
        paths[0] if len(paths) == 2 else None,
        provider=request.provider,
        precision=request.precision,
        threads=request.threads,
    ) as model:
        result = _encode(model, paths[0] if len(paths) == 2 else None, request)
        if request.receipt is not None:
            write_receipt(request.receipt, model.receipt(), request.to_json())
    if request.as_json:
        cli.print_json(result)
    return ALARMS if result.get("alarms", {}).get("count") else 0


@dataclasses.dataclass(frozen=True)
class _Request(ExecutorChoice):
    """Arguments and options of the command line."""

    images: Path
    resize: bool
    grey: bool
    invert: bool
    samples: int
    seed: int
    classify: bool
    alarms: bool
    top_anomalies: int | None
    anomalies: Path | None
    provider: Any
    precision: Any
    threads: int | None
    format: str | None
    receipt: Path | None
    overwrite: bool
    as_json: bool
    output: Path
    quiet: bool
    verbose: bool

    def check(self) -> None:
        """Raise an error for contradictory options, and for files that cannot be written."""
        self.check_executor(tasks=True, receipt=self.receipt is not None)
        if self.anomalies is not None and self.top_anomalies is None:
            raise click.UsageError("--anomalies is for --top-anomalies: pass both")
        if str(self.output) == "-":
            raise click.UsageError("cannot write a table to stdout: name a file with --output")
        cli.check_json(self.as_json)
        if (self.top_anomalies is not None or self.alarms) and not self.quiet:
            check_stdout()
        if self.table_format == "parquet":
            require("pyarrow", "parquet")
        picture = self.picture if self.top_anomalies is not None else None
        drawn = self.alarm_picture if self.alarms else None
        files = {"output": self.output, "anomalies": picture, "alarms": drawn, "receipt": self.receipt}
        for (one, path), (other, same) in itertools.combinations(files.items(), 2):
            if path is not None and path == same:
                raise click.UsageError(f"--{one} and --{other} name the same file")
        for path in files.values():
            if path is not None:
                refuse_existing(path, self.overwrite)

    @property
    def table_format(self) -> str:
        """Format of the table, by option or by the output's suffix; raise `InputError` if neither gives one."""
        file_format = self.format or self.output.suffix[1:].lower()
        if file_format not in CODE_FORMATS:
            raise InputError(
                f"{self.output}: expected a name that ends in .{', .'.join(CODE_FORMATS)}; or pass --format"
            )
        return file_format

    @property
    def picture(self) -> Path:
        """Path of the picture of the lowest ELBOs."""
        return self.output.with_name(f"{self.output.stem}_anomalies.png") if self.anomalies is None else self.anomalies

    @property
    def alarm_picture(self) -> Path:
        """Path of the picture of the alarms."""
        return self.output.with_name(f"{self.output.stem}_alarms.png")

    def encoding(self) -> Encoding:
        """Work for an executor."""
        # Absolute, for processes with another working directory.
        path = self.images if self.executor == "local" else self.images.absolute()
        lowest = self.top_anomalies or 0
        return Encoding(
            path,
            self.resize,
            self.grey,
            self.invert,
            self.samples,
            self.seed,
            lowest,
            self.classify,
            self.alarms,
            _MOST_ALARMS if self.alarms else 0,
        )

    def to_json(self) -> dict[str, Any]:
        """Options as JSON values, for the receipt."""
        flags = [name for name in ("classify", "alarms") if getattr(self, name)]
        names = ("resize", "grey", "invert", "samples", "seed", *flags)
        return {"images": str(self.images), **{name: getattr(self, name) for name in names}}


def _encode(model: Model, bundle: Path | None, request: _Request) -> dict[str, Any]:
    """Write the table and the picture, and return the result of ``--json``."""
    shape = model.image_shape
    if request.classify:
        class_names(model.manifest.model)  # raises without labels
    if request.alarms:
        check_detector(model)
    encoding = request.encoding()
    source = encoding.open(shape)
    encoding.check_cut(model)
    if source.skipped and not request.quiet:
        click.echo(f"{request.images}: {describe_skipped(source.skipped)}", err=True)
    batches = batches_of(source.count, code_batch(shape))
    executor = request.make_executor(model, bundle, request.precision, request.threads, ordered=True) or InProcess(
        model
    )
    total = _Total(LowestElbo(encoding.lowest, shape), LowestElbo(encoding.drawn, shape))
    quiet = request.quiet or len(batches) == 1
    with (
        new_file(request.output) as file,
        progress(source.count, "images", quiet=quiet) as advance,
        contextlib.closing(executor(encoding, batches)) as completed,
    ):
        CODE_FORMATS[request.table_format](file, _tables((encoded for _, encoded in completed), total, advance))
    if total.lost and not request.quiet:
        line = (
            f"{request.images}: the model's threshold makes {total.lost:,} of {source.count:,} images all black or all "
            f"white; their codes carry no information"
        )
        click.echo(line, err=True)
    result = {
        "output": str(request.output),
        "format": request.table_format,
        "images": source.count,
        "lost": total.lost,
        "skipped": dict(source.skipped),
        "elbo": {
            "unit": "nats",
            "mean": total.elbo / source.count,
            "lowest": total.low,
            "highest": total.high,
        },
    }
    if request.top_anomalies is not None:
        result["anomalies"] = _draw_anomalies(model, request, total.lowest, source.names)
    if request.alarms:
        result["alarms"] = _draw_alarms(model, request, total, source)
    return result


def _draw_anomalies(model: Model, request: _Request, lowest: LowestElbo, names: Sequence[str] | None) -> dict[str, Any]:
    """Draw and print the images of the lowest ELBO, and return them as JSON values."""
    reconstructions = to_uint8(model.reconstruct(lowest.images))
    captions = [str(index) for index in lowest.index]
    write_file(request.picture, encode_png(draw_pairs(lowest.images, reconstructions, captions)))
    rows = [
        {"index": index, **({} if names is None else {"path": names[index]}), "elbo": elbo}
        for index, elbo in zip(lowest.index.tolist(), lowest.elbo.tolist(), strict=True)
    ]
    for *where, elbo in () if request.quiet or request.as_json else (row.values() for row in rows):
        print("\t".join([*map(str, where), f"{elbo:.2f}"]))
    return {"picture": str(request.picture), "images": rows}


def _draw_alarms(model: Model, request: _Request, total: "_Total", source: ImageSource) -> dict[str, Any]:
    """Draw and print the images that raise an alarm, the strangest first, and return them as JSON values.

    No picture is written without alarms; an old one is removed with --overwrite.
    """
    strangest, picture = total.strangest, request.alarm_picture
    if not total.alarms:
        picture.unlink(missing_ok=True)
        if not request.quiet:
            click.echo(f"{request.images}: no alarm, of {source.count:,} images", err=True)
        return {"count": 0, "picture": None, "images": []}
    detection = model.detect(strangest.images)
    captions = [f"{index} p={p:.3g}" for index, p in zip(strangest.index, detection.p_value, strict=True)]
    write_file(picture, encode_png(draw_alarms(strangest.images, detection.draw(strangest.images), captions)))
    rows = [
        {
            "index": index,
            **({} if source.names is None else {"path": source.names[index]}),
            "p_value": p,
            "score": score,
            "box": None if box is None else list(box),
        }
        for index, p, score, box in zip(
            strangest.index.tolist(),
            detection.p_value.tolist(),
            detection.score.tolist(),
            detection.boxes(),
            strict=True,
        )
    ]
    for row in () if request.quiet or request.as_json else rows:
        where = [str(row[name]) for name in ("index", "path") if name in row]
        box = "-" if row["box"] is None else ",".join(map(str, row["box"]))
        print("\t".join([*where, f"{row['p_value']:.3g}", f"{row['score']:.2f}", box]))
    if not request.quiet:
        more = f", the {len(rows)} strangest of them in" if total.alarms > len(rows) else " in"
        verb = "raises" if total.alarms == 1 else "raise"
        click.echo(
            f"{request.images}: {total.alarms:,} of {source.count:,} images {verb} an alarm{more} {picture}", err=True
        )
    return {"count": total.alarms, "picture": str(picture), "images": rows}


@dataclasses.dataclass
class _Total:
    """Sums over the batches of a table: ELBOs in nats, and the numbers of lost images and of alarms."""

    lowest: LowestElbo
    strangest: LowestElbo
    lost: int = 0
    alarms: int = 0
    elbo: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, batch: EncodedBatch) -> None:
        """Add a batch."""
        columns, rows = batch.columns, batch.rows
        self.lowest.offer(columns["index"][rows], columns["elbo"][rows], batch.images)
        if "alarm" in columns:
            strange = batch.strange
            self.strangest.offer(columns["index"][strange], -columns["score"][strange], batch.strange_images)
            self.alarms += int(columns["alarm"].sum())
        self.lost += batch.lost
        self.elbo += float(columns["elbo"].sum())
        self.low = min(self.low, float(columns["elbo"].min()))
        self.high = max(self.high, float(columns["elbo"].max()))


def _tables(batches: Iterable[EncodedBatch], total: _Total, advance: Callable[[int], None]) -> Iterator[Columns]:
    """Yield the columns of each batch, and add the batch to the total."""
    for batch in batches:
        total.add(batch)
        yield batch.columns
        advance(len(batch.columns["index"]))


def main() -> None:
    """Entry point of ``cvae-encode``."""
    cli.run(command)

"""``cvae-export``: the command line over `export`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cvae_runtime import cli, read_bundle
from cvae_runtime.system import require
from cvae_runtime.web import check_page, is_single_file, write_page
from cvae_train import import_tensorflow

from ._config import (
    ATOL,
    DEFAULT_OPSET,
    EXTRA_ROLES,
    OPSETS,
    OUTPUT_KINDS,
    PASSES,
    PRECISIONS,
    TARGETS,
    ExportConfig,
)

_OPSETS = (OPSETS.start, OPSETS.stop - 1)

_ELSEWHERE = ("encoder", "decoder", "decoder_output", "input_range", "binarize_at")


class _Names(click.ParamType[tuple[str, ...]]):
    """Names of a known few, separated by commas."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        names = tuple(name.strip() for name in value.split(","))
        if unknown := [name for name in names if name not in self._known]:
            known = ", ".join(self._known)
            self.fail(f"{', '.join(map(repr, unknown))}: choose among {known}, separated by commas", parameter, context)
        return names


class _Range(click.ParamType[tuple[float, float]]):
    """Two numbers, separated by a comma."""

    name = "low,high"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[float, float]:
        try:
            low, high = map(float, value.split(","))
        except ValueError:
            self.fail(f"{value!r}: expected two numbers with a comma between, as 0,1", parameter, context)
        return low, high


class _Output(_Range):
    """What a decoder gives: a kind, or the two numbers that pixels 0 and 255 are in it."""

    name = "kind|low,high"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value in OUTPUT_KINDS:
            return value
        if "," not in value:
            kinds = ", ".join(OUTPUT_KINDS)
            self.fail(f"{value!r}: expected {kinds}, or two numbers with a comma between, as -1,1", parameter, context)
        return super().convert(value, parameter, context)


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="In the place of RUN: a .keras file or SavedModel folder, images to mean and logvar.",
)
@click.option("--decoder", type=click.Path(path_type=Path), help="Its decoder: likewise, latents to images.")
@click.option(
    "--decoder-output",
    type=_Output(),
    help="Of --decoder: logits, probs, what pixels 0 and 255 are in it, as -1,1, or auto, the default, which looks at its last "
    "activation.",
)
@click.option(
    "--input-range",
    type=_Range(),
    help="Of --encoder: what pixels 0 and 255 become; told from its first layers if not given.",
)
@click.option(
    "--binarize-at", type=click.IntRange(1, 255), help="Of --encoder: the first pixel value that counts as 255."
)
@click.option("--onnx", "target", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option(
    "--target",
    "targets",
    type=_Names(TARGETS),
    default=",".join(TARGETS),
    show_default=True,
    help="What graphs are shaped for: any runtime, or ONNX Runtime on a CPU.",
)
@click.option(
    "--precision",
    "precisions",
    type=_Names(PRECISIONS),
    default="float32",
    show_default=True,
    help=f"Of encoder and decoder, any of {', '.join(PRECISIONS)}; float32 is always among them.",
)
@click.option(
    "--with",
    "extras",
    type=_Names(EXTRA_ROLES),
    default=(),
    help=f"Graphs beside encoder and decoder, any of {', '.join(EXTRA_ROLES)}.",
)
@click.option(
    "--passes",
    type=_Names((*PASSES, "none")),
    help="Rewrites that may run, or none for the graphs that tf2onnx makes; all, where they pay, if not given.",
)
@click.option("--keep-slow", is_flag=True, help="Write graphs too that are not faster than those they stand in for.")
@click.option(
    "--opset", type=click.IntRange(*_OPSETS), default=DEFAULT_OPSET, show_default=True, help="Of the portable graphs."
)
@click.option(
    "--data", type=click.Path(), help="The run's images, if they were moved; for --encoder any, as cvae-train's."
)
@click.option("--atol", type=float, default=ATOL, show_default=True, help="Largest difference from TensorFlow.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle, and a page, that is there.")
@click.option(
    "--web",
    type=click.Path(path_type=Path),
    help="Write its web page too, as cvae-web does: a folder, or a file that ends in .html.",
)
@cli.common_options
def command(
    run: Path | None,
    target: Path,
    data: str | None,
    overwrite: bool,
    web: Path | None,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Export a finished run, or a pair of Keras models, as an ONNX bundle.

    RUN is the folder that cvae-train made. Every test image goes through TensorFlow and through the exported
    graphs; beyond the tolerance nothing is written and the exit code is 3. Models from elsewhere are named by
    --encoder and --decoder instead; without --data they are verified on seeded inputs.
    """
    elsewhere = {name: value for name in _ELSEWHERE if (value := options.pop(name)) is not None}
    if bool(elsewhere) != (run is None) or not (run or {"encoder", "decoder"} <= set(elsewhere)):
        given = (["RUN"] if run else []) + [f"--{name.replace('_', '-')}" for name in elsewhere]
        raise click.UsageError(
            f"expected RUN, which knows its models, or --encoder and --decoder and what is said of them; "
            f"found {', '.join(given) or 'neither'}"
        )
    if web is not None:  # before an export of minutes
        if web.resolve() == target.resolve():
            raise click.UsageError(f"--onnx and --web: expected two places, found {target} for both")
        check_page(web, single_file=is_single_file(web), overwrite=overwrite)
    import_tensorflow(verbose=verbose, extra="export")
    for module in ("tf2onnx", "onnx", "onnx_ir", "onnxruntime"):
        require(module, "export")

    from ._export import export, export_models
    from ._inspect import with_error

    if options["passes"] is not None:
        options["passes"] = [name for name in options["passes"] if name != "none"]
    config = ExportConfig(**options)
    common: dict[str, Any] = {"data": data, "overwrite": overwrite, "quiet": quiet}
    if run is None:
        result = export_models(target=target, config=config, **elsewhere, **common)
    else:
        result = export(run, target, config, **common)
    if not quiet:
        print(result.table(), file=sys.stderr)
        for skipped in result.skipped:
            print(f"{skipped.file} is not written: {skipped.reason}", file=sys.stderr)
        if result.elbo is not None:
            elbo = with_error(result.elbo.mean, result.elbo.stderr)
            images = "1 image" if result.elbo.count == 1 else f"{result.elbo.count:,} images"
            print(f"test ELBO {elbo} nats per image over {images}", file=sys.stderr)
        print(f"{result.path}: {', '.join(graph.file for graph in result.manifest.graphs)}", file=sys.stderr)
    if web is not None:
        write_page(read_bundle(result.path), web, overwrite=overwrite)
        if not quiet:
            print(f"{web}: the web page of {result.path}", file=sys.stderr)


def main() -> None:
    """Entry point of ``cvae-export``."""
    cli.run(command)

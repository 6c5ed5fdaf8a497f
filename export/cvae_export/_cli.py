"""Command line of ``cvae-export``."""

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from cvae_runtime import MissingExtraError, ParityError, cli, read_bundle
from cvae_runtime.system import require
from cvae_runtime.web import check_page, is_single_file, write_page
from cvae_train import Checkpoint, import_tensorflow

from ._config import (
    ATOL,
    DEFAULT_OPSET,
    EXTRA_ROLES,
    FORMATS,
    MOST_BATCH,
    OPSETS,
    OUTPUT_KINDS,
    PASSES,
    PRECISIONS,
    TARGETS,
    ExportConfig,
)

if TYPE_CHECKING:
    from ._export import ExportResult

_OPSETS = (OPSETS.start, OPSETS.stop - 1)

_PAIR_OPTIONS = ("encoder", "decoder", "decoder_output", "input_range", "binarize_at")


class _Names(click.ParamType[tuple[str, ...]]):
    """Known names, separated by commas."""

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
            self.fail(f"{value!r}: expected two numbers separated by a comma, such as 0,1", parameter, context)
        return low, high


class _Output(_Range):
    """Decoder output: a kind, or its values for pixels 0 and 255."""

    name = "kind|low,high"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value in OUTPUT_KINDS:
            return value
        if "," not in value:
            kinds = ", ".join(OUTPUT_KINDS)
            self.fail(
                f"{value!r}: expected {kinds}, or two numbers separated by a comma, such as -1,1", parameter, context
            )
        return super().convert(value, parameter, context)


@click.command(
    cls=cli.SectionedCommand,
    sections={
        "Keras models instead of RUN": _PAIR_OPTIONS,
        "Graphs": ("targets", "precisions", "extras", "passes", "keep_slow", "opset"),
        "For other programs": ("also", "batch"),
        "Verification": ("data", "checkpoint", "atol", "bundle"),
        "Output": ("target", "overwrite", "web", "as_json"),
    },
    examples=[
        "cvae-export my-run --onnx my-model --precision float32,int8",
        "cvae-export --encoder encoder.keras --decoder decoder.keras --onnx my-model",
    ],
)
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Export this encoder instead of RUN: a .keras file or SavedModel folder that maps images to mean and logvar. "
    "Needs --decoder.",
)
@click.option(
    "--decoder",
    type=click.Path(path_type=Path),
    help="Decoder of --encoder: a .keras file or SavedModel folder that maps latents to images.",
)
@click.option(
    "--decoder-output",
    type=_Output(),
    help="Output of --decoder: logits, probs, or its values for pixels 0 and 255, such as -1,1; auto infers it from "
    "the last activation.  [default: auto]",
)
@click.option(
    "--input-range",
    type=_Range(),
    help="Input values of --encoder for pixels 0 and 255, such as -1,1.  [default: inferred from its first layers]",
)
@click.option(
    "--binarize-at",
    type=click.IntRange(1, 255),
    help="Binarize the input of --encoder: this pixel value and above become 255, others 0.  [default: do not]",
)
@click.option("--onnx", "target", type=click.Path(path_type=Path), help="Folder of the bundle to write.")
@click.option(
    "--verify",
    "bundle",
    type=click.Path(path_type=Path),
    help="Instead of exporting, compare this bundle with RUN. Takes no other options than --data, --checkpoint and "
    "--json.",
)
@click.option(
    "--target",
    "targets",
    type=_Names(TARGETS),
    default=",".join(TARGETS),
    show_default=True,
    help="Runtimes to optimize graphs for: portable is any runtime, cpu is ONNX Runtime on a CPU.",
)
@click.option(
    "--precision",
    "precisions",
    type=_Names(PRECISIONS),
    default="float32",
    show_default=True,
    help=f"Precisions of encoder and decoder, any of {', '.join(PRECISIONS)}; float32 is always written.",
)
@click.option(
    "--with",
    "extras",
    type=_Names(EXTRA_ROLES),
    default=(),
    help=f"Write these graphs too, any of {', '.join(EXTRA_ROLES)}.  [default: none]",
)
@click.option(
    "--passes",
    type=_Names((*PASSES, "none")),
    help="Graph rewrites that may run; none keeps the graphs of tf2onnx.  [default: all that make a graph faster]",
)
@click.option(
    "--keep-slow", is_flag=True, help="Also write graphs that are not faster than the graphs that they replace."
)
@click.option(
    "--opset",
    type=click.IntRange(*_OPSETS),
    default=DEFAULT_OPSET,
    show_default=True,
    help="ONNX opset of the portable graphs.",
)
@click.option(
    "--also",
    type=_Names(FORMATS),
    default=(),
    help="Write files in these formats too, compared with the graphs: ort, for small builds of ONNX Runtime; tflite, for "
    "LiteRT.  [default: none]",
)
@click.option(
    "--batch",
    type=click.IntRange(1, MOST_BATCH),
    help="Write every graph for this fixed number of images too, for accelerators that need one; LiteRT's files also "
    "take it.  [default: none; 1 for LiteRT]",
)
@click.option(
    "--data",
    type=click.Path(),
    help="Images to verify with, in any format that cvae-train takes; for RUN, the images that it was trained on.  "
    "[default: where RUN found them; none for --encoder]",
)
@click.option(
    "--checkpoint",
    type=click.Choice(get_args(Checkpoint)),
    help="Weights of RUN: best, of the epoch of best validation ELBO, or last, of the last complete epoch.  "
    "[default: best if RUN has a validation set, otherwise last]",
)
@click.option(
    "--atol",
    type=float,
    default=ATOL,
    show_default=True,
    help="Largest difference from TensorFlow, for outputs up to 1.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing bundle and page.")
@click.option(
    "--web",
    type=click.Path(path_type=Path),
    help="Also write the bundle's web page: a folder, or one file if the name ends in .html.",
)
@cli.json_option
@cli.common_options
def command(
    run: Path | None,
    target: Path | None,
    bundle: Path | None,
    data: str | None,
    checkpoint: Checkpoint | None,
    overwrite: bool,
    web: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Export a run, or a pair of Keras models, as an ONNX bundle.

    RUN is a folder written by cvae-train; a run that was stopped has its last complete epoch. To export other Keras
    models, pass --encoder and --decoder instead.

    The command compares the outputs of TensorFlow and of the exported graphs on every test image, or on seeded
    inputs for --encoder without --data. If a difference exceeds the tolerance, it writes nothing and exits with
    code 3. With --verify, it repeats the comparison for an existing bundle.
    """
    pair_options = {name: value for name in _PAIR_OPTIONS if (value := options.pop(name)) is not None}
    if run is not None and not pair_options:
        _check_no_keras_model(run, target)
    if bundle is not None:
        _check_verify_options(run)
    elif target is None:
        raise click.UsageError("Missing option '--onnx'.")
    elif bool(pair_options) != (run is None) or not (run or {"encoder", "decoder"} <= set(pair_options)):
        given = (["RUN"] if run else []) + [f"--{name.replace('_', '-')}" for name in pair_options]
        raise click.UsageError(
            f"expected either RUN, or --encoder and --decoder with their options; found {', '.join(given) or 'neither'}"
        )
    if checkpoint is not None and run is None:
        raise click.UsageError("--checkpoint chooses weights of RUN, found --encoder and --decoder: leave it out")
    if target is not None and web is not None:  # an export takes minutes, so check first
        if web.resolve() == target.resolve():
            raise click.UsageError(f"--onnx and --web: expected two different paths, found {target} for both")
        check_page(web, single_file=is_single_file(web), overwrite=overwrite)
    import_tensorflow(verbose=verbose, extra="export")
    for module in ("tf2onnx", "onnx", "onnx_ir", "onnxruntime"):
        require(module, "export")

    if bundle is not None:
        assert run is not None  # as `_check_verify_options` has seen
        _verify(run, bundle, data, checkpoint, as_json=as_json, quiet=quiet)
        return
    assert target is not None
    from ._export import export, export_models

    if options["passes"] is not None:
        options["passes"] = [name for name in options["passes"] if name != "none"]
    config = ExportConfig(**options)
    common: dict[str, Any] = {"data": data, "overwrite": overwrite, "quiet": quiet}
    if run is None:
        result = export_models(target=target, config=config, **pair_options, **common)
    else:
        result = export(run, target, config, checkpoint=checkpoint, **common)
    if not quiet and not as_json:
        print(_report(result), file=sys.stderr)
    if web is not None:
        write_page(read_bundle(result.path), web, overwrite=overwrite)
        if not quiet:
            print(f"{web}: the web page of {result.path}", file=sys.stderr)
    if as_json:
        cli.print_json(_as_json(result, web))
    elif not quiet:
        print(cli.next_lines(_next_commands(target, web)), file=sys.stderr)


def _check_no_keras_model(run: Path, target: Path | None) -> None:
    """Raise `click.UsageError` if a path for RUN is a Keras model."""
    if run.suffix not in (".keras", ".h5") and not (run / "saved_model.pb").is_file():
        return
    role, other = ("decoder", "encoder") if "dec" in run.name.lower() else ("encoder", "decoder")
    pair = {role: shlex.quote(str(run)), other: other.upper()}
    raise click.UsageError(
        f"{run}: expected a run folder, found a Keras model; pass both models: cvae-export "
        f"--encoder {pair['encoder']} --decoder {pair['decoder']} --onnx {shlex.quote(str(target or 'NAME'))}"
    )


def _check_verify_options(run: Path | None) -> None:
    """Raise `click.UsageError` unless --verify has RUN, and no options that it ignores."""
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
        and parameter.name not in ("bundle", "data", "checkpoint", "as_json", "quiet", "verbose")
        and context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if run is None or given:
        raise click.UsageError(
            f"--verify: expected RUN and at most --data, --checkpoint and --json, found {', '.join(given) or 'no RUN'}"
        )


def _verify(
    run: Path, bundle: Path, data: str | None, checkpoint: Checkpoint | None, *, as_json: bool, quiet: bool
) -> None:
    """Compare a bundle with its run, print the result, and raise `ParityError` if they differ."""
    from ._compare_bundle import compare_bundle
    from ._verify import rows, table

    comparisons = compare_bundle(run, bundle, data=data, checkpoint=checkpoint, quiet=quiet)
    off = [comparison.graph.file for comparison in comparisons if not comparison.all_pass]
    if as_json:
        cli.print_json({"bundle": bundle, "run": run, "agrees": not off, "graphs": rows(comparisons)})
    elif not quiet:
        print(table(comparisons), file=sys.stderr)
    if off:
        raise ParityError(
            f"{bundle}: expected the outputs of {run}, found differences in {', '.join(off)}; pass the run that was "
            f"exported, or use another version of ONNX Runtime"
        )


def _report(result: "ExportResult") -> str:
    """Describe a result as lines of text."""
    lines = [result.table(), *(f"{skipped.file} is not written: {skipped.reason}" for skipped in result.skipped)]
    if result.elbo is not None:
        given = "" if result.manifest.model.labels is None else " given the label"
        lines.append(f"test ELBO{given} {result.elbo}")
    files = [graph.file for graph in result.manifest.graphs]
    files += [other.file for other in result.manifest.files or () if other.kind != "safetensors"]
    return "\n".join([*lines, f"{result.path}: {', '.join(files)}"])


def _as_json(result: "ExportResult", web: Path | None) -> dict[str, Any]:
    from ._verify import rows

    return {
        "bundle": result.path,
        "graphs": rows(result.comparisons),
        "skipped": [dataclasses.asdict(skipped) for skipped in result.skipped],
        "elbo": None if result.elbo is None else dataclasses.asdict(result.elbo),
        "web": web,
    }


def _next_commands(bundle: Path, web: Path | None) -> list[list[str]]:
    """Return command lines that use a bundle: verify, generate and, unless written or not built, the web page."""
    picture, page = (bundle.parent / f"{bundle.resolve().name}.{suffix}" for suffix in ("png", "html"))
    lines = [["cvae-verify", str(bundle)], ["cvae-generate", str(bundle), "-o", str(picture)]]
    if web is None:
        with contextlib.suppress(MissingExtraError):
            check_page(page, single_file=True, overwrite=True)
            lines.append(["cvae-web", str(bundle), str(page)])
    return lines


def main() -> None:
    """Run ``cvae-export``."""
    cli.run(command)

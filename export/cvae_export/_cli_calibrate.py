"""Command line of ``cvae-calibrate``."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvae_runtime import cli
from cvae_runtime.system import require

from ._config import DRAWS, FALSE_ALARMS, MOST_DRAWS, MOST_SEED, SCORES

if TYPE_CHECKING:
    from ._detector import CalibrationResult

_OF_CALIBRATION = ("target", "false_alarms", "background", "score", "draws", "seed", "overwrite")


@click.command(
    cls=cli.SectionedCommand,
    sections={
        "Images": cli.IMAGE_OPTIONS,
        "Detector": ("false_alarms", "score", "background", "draws", "seed"),
        "Output": ("target", "overwrite", "as_json"),
        "Test": ("test",),
    },
    examples=[
        "cvae-calibrate my-model good/ --false-alarms 0.01 -o my-detector",
        "cvae-calibrate --test my-detector good/ bad/",
    ],
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("good", type=click.Path(path_type=Path))
@click.argument("bad", type=click.Path(path_type=Path), required=False)
@cli.image_options
@click.option(
    "--false-alarms",
    type=click.FloatRange(*FALSE_ALARMS),
    default=0.01,
    show_default=True,
    help="Highest rate of good images that raise an alarm.",
)
@click.option(
    "--score",
    type=click.Choice(SCORES),
    help="Score that decides.  [default: likelihood-ratio with --background, error for models of 256 grey levels, "
    "otherwise chosen on the good images]",
)
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    help="Bundle of a background model, of a run of cvae-train --background, for the score likelihood-ratio.",
)
@click.option(
    "--draws",
    type=click.IntRange(1, MOST_DRAWS),
    default=DRAWS,
    show_default=True,
    help="Draws of the posterior for each image. More make scores less noisy, and detection slower.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MOST_SEED),
    default=0,
    show_default=True,
    help="Seed that splits the good images.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing bundle.")
@cli.json_option
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Folder of the bundle to write.")
@click.option("--test", is_flag=True, help="Instead of calibrating, test a calibrated BUNDLE on GOOD and BAD images.")
@cli.common_options
def command(
    bundle: Path, good: Path, bad: Path | None, test: bool, as_json: bool, quiet: bool, verbose: bool, **options: Any
) -> None:
    """Calibrate a bundle on images of good parts, so that it decides which images are strange.

    BUNDLE is a folder that cvae-export wrote; it is not changed. GOOD is a folder of images, an .npy or an IDX file, of
    good parts that the model was not trained on. The command writes a copy of the bundle with a detector: Model.detect,
    cvae-encode --alarms and detector.onnx then give each image a p-value, an alarm and a map of where it is strange.

    With --test, BAD has the same kinds of images of bad parts; its folders are their classes. The command prints AUROC,
    F1 and the numbers of alarms.
    """
    del verbose
    cli.check_json(as_json)
    _check_usage(bad, test, options)
    for module in ("onnx", "onnx_ir", "onnxruntime"):
        require(module, "export")
    images = {name: options.pop(name) for name in cli.IMAGE_OPTIONS}
    if test:
        from ._evaluate_detector import evaluate_detector

        assert bad is not None  # as `_check_usage` has seen
        tested = evaluate_detector(bundle, good, bad, **images, quiet=quiet)
        if as_json:
            cli.print_json({"bundle": bundle, **tested.to_json()})
        elif not quiet:
            print(tested.table())
        return
    from ._detector import calibrate

    result = calibrate(bundle, good, **options, **images, quiet=quiet)
    if as_json:
        cli.print_json(_as_json(result))
    elif not quiet:
        print(_report(result), file=sys.stderr)
        print(cli.next_lines(_next_commands(result.path, good)), file=sys.stderr)


def _check_usage(bad: Path | None, test: bool, options: dict[str, Any]) -> None:
    """Raise `click.UsageError` for options of the other mode."""
    context = click.get_current_context()
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in _OF_CALIBRATION
        and context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if test and (bad is None or given):
        found = ", ".join(given) or "BUNDLE and GOOD"
        raise click.UsageError(f"--test: expected BUNDLE, GOOD and BAD without options of a calibration, found {found}")
    if not test and bad is not None:
        raise click.UsageError(f"expected BUNDLE and GOOD, found {bad} too; to test on bad images, pass --test")
    if not test and options["target"] is None:
        raise click.UsageError("Missing option '-o' / '--output'.")


def _report(result: "CalibrationResult") -> str:
    """Describe a result as lines of text."""
    one = result.detector
    lines = [f"good images: {one.fit.count:,} to fit, {one.calibration.count:,} to calibrate"]
    lines += [f"  {name:<16}instability {value:.3f}" for name, value in result.instabilities.items()]
    lines.append(
        f"{result.path}: alarm if {one.score} is above {one.threshold:.2f}, by {one.draws} draws; at most "
        f"{one.false_alarms:g} false alarms"
    )
    return "\n".join(lines)


def _as_json(result: "CalibrationResult") -> dict[str, Any]:
    detector = dataclasses.asdict(result.detector)
    del detector["scores"]
    return {
        "bundle": result.path,
        "detector": detector,
        "instabilities": result.instabilities,
        "differences": result.differences,
    }


def _next_commands(bundle: Path, good: Path) -> list[list[str]]:
    """Return command lines that use a calibrated bundle."""
    return [
        ["cvae-verify", str(bundle)],
        ["cvae-encode", str(bundle), str(good), "--alarms", "-o", str(bundle.parent / "codes.npz")],
    ]


def main() -> None:
    """Run ``cvae-calibrate``."""
    cli.run(command)

"""``cvae-verify``: the proof of a bundle again, later and elsewhere; with golden vectors alone it needs no TensorFlow."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvae_runtime import PROVIDERS, Bundle, InputError, cli, read_bundle
from cvae_runtime.system import require

from ._config import EXTRA_ROLES, ROLES
from ._errors import ParityError
from ._golden_check import Check, check_everywhere, table

if TYPE_CHECKING:
    from ._verify import Comparison


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Compare with the model of this run, over its test set.")
@click.option("--data", type=click.Path(path_type=Path), help="The run's images, if they were moved.")
@click.option("--provider", type=click.Choice([*PROVIDERS]), help="Run on this alone.  [default: all that are there]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in the place of a table.")
@cli.common_options
def command(
    bundle: Path | None,
    run: Path | None,
    data: Path | None,
    provider: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Verify a bundle again.

    BUNDLE is a folder that cvae-export made; without it the MNIST model of the package is used. Its hashes are
    checked, and its golden vectors on every provider that is there, at every optimisation level of ONNX Runtime; with
    --run every graph is compared with the trained model, as cvae-export does it. Where something disagrees the exit
    code is 3.
    """
    if data is not None and run is None:
        raise click.UsageError("--data is for --run")
    contents = read_bundle(bundle)
    checks = check_everywhere(contents, provider)
    comparisons = [] if run is None else _compare(contents, run, data, provider, quiet=quiet, verbose=verbose)
    failed = sum(not check.result.agrees for check in checks)
    off = sum(not comparison.all_pass for comparison in comparisons)
    if as_json:
        print(json.dumps(_as_json(checks, comparisons), indent=2, allow_nan=False))
    elif not quiet:
        print(table(checks))
        if comparisons:
            from ._verify import table as table_of_comparisons

            print(f"\n{table_of_comparisons(comparisons)}")
    if failed:
        raise ParityError(f"{contents.path}: {failed} of {len(checks)} outputs disagree with their golden vectors")
    if off:
        raise ParityError(
            f"{contents.path}: {off} of {len(comparisons)} graphs do not compute what the model of {run} does: it is not "
            f"the model that was exported, or this machine's ONNX Runtime is wrong"
        )


def _compare(
    bundle: Bundle, run: Path, data: Path | None, provider: str | None, *, quiet: bool, verbose: bool
) -> list["Comparison"]:
    from cvae_train import import_tensorflow

    import_tensorflow(verbose=verbose, extra="export")
    require("onnx", "export")

    from ._graph import Graph
    from ._reference import Reference
    from ._source import source_of_run
    from ._verify import BUDGETS, compare, runs_of

    source = source_of_run(run, data, quiet=quiet)
    if source.info != bundle.manifest.model:
        raise InputError(
            f"{run}: expected the model of {bundle.path}, {bundle.manifest.model}; found {source.info}; "
            f"name the run that was exported"
        )
    reference = Reference(source)
    comparisons = []
    for info in bundle.manifest.graphs:
        if info.role not in (*ROLES, *EXTRA_ROLES):
            raise InputError(f"{info.file}: the role {info.role!r} is not known to this version; verify without --run")
        graph = Graph(info.role, info.target, info.precision, bundle.files[info.file], info.passes)
        runs = runs_of(graph) if provider is None else runs_of(graph, [provider])
        comparisons.append(
            compare(graph, runs, reference.expected(info.role), reference.elbos, BUDGETS[info.precision])
        )
    return comparisons


def _as_json(checks: Sequence[Check], comparisons: Sequence["Comparison"]) -> dict[str, Any]:
    """What the tables show. JSON has neither infinity nor NaN: they are null."""

    def finite(number: float | None) -> float | None:
        return number if number is not None and math.isfinite(number) else None

    return {
        "golden": [
            {
                "graph": check.result.file,
                "output": check.result.output,
                "provider": check.provider,
                "worst_level": check.level,
                "difference": finite(check.result.difference),
                "tolerance": check.result.atol,
                "agrees": check.result.agrees,
            }
            for check in checks
        ],
        "model": [
            {
                "graph": comparison.graph.file,
                "output": output,
                "difference": finite(difference),
                "tolerance": finite(comparison.tolerances[output]),
                "elbo_change": finite(comparison.elbo_change),
                "elbo_tolerance": comparison.elbo_tolerance,
                "agrees": comparison.passes(output),
            }
            for comparison in comparisons
            for output, difference in comparison.differences.items()
        ],
    }


def main() -> None:
    """Entry point of ``cvae-verify``."""
    cli.run(command)

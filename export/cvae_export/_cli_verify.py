"""Command line of ``cvae-verify``. Only ``--run`` needs TensorFlow."""

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
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Also compare every graph with the model of this run, on its test set.  [default: golden vectors only]",
)
@click.option("--data", type=click.Path(path_type=Path), help="Images of --run.  [default: where the run found them]")
@click.option(
    "--provider", type=click.Choice([*PROVIDERS]), help="Run only on this provider.  [default: all that work here]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
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

    BUNDLE is a folder written by cvae-export; the default is the packaged MNIST model. The command checks the
    bundle's hashes, and its golden vectors on every installed provider at every optimization level of ONNX Runtime.
    With --run it also compares every graph with the trained model, as cvae-export does. If an output disagrees, it
    exits with code 3.
    """
    if data is not None and run is None:
        raise click.UsageError("--data needs --run")
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
            f"{contents.path}: {off} of {len(comparisons)} graphs differ from the model of {run}: either another "
            f"run was exported, or ONNX Runtime computes wrong values on this machine"
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
            f"pass the run that was exported"
        )
    reference = Reference(source)
    comparisons = []
    for info in bundle.manifest.graphs:
        if info.role not in (*ROLES, *EXTRA_ROLES):
            raise InputError(f"{info.file}: expected a known role, found {info.role!r}; verify without --run")
        graph = Graph(info.role, info.target, info.precision, bundle.files[info.file], info.passes)
        runs = runs_of(graph) if provider is None else runs_of(graph, [provider])
        comparisons.append(
            compare(graph, runs, reference.expected(info.role), reference.elbos, BUDGETS[info.precision])
        )
    return comparisons


def _as_json(checks: Sequence[Check], comparisons: Sequence["Comparison"]) -> dict[str, Any]:
    """Return the tables as JSON values; infinity and NaN, which JSON lacks, are null."""

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
    """Run ``cvae-verify``."""
    cli.run(command)

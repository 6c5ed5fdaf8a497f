"""``cvae-verify``: check a bundle's golden vectors on every provider and optimization level of ONNX Runtime."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .. import cli
from .._bundle import Bundle, read_bundle
from .._engine import PROVIDERS, GoldenResult, check_golden
from .._errors import BundleError, ParityError, ProviderError
from .._system import printable_values, require

_log = logging.getLogger("cvae_runtime")


@click.command()
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option(
    "--provider", type=click.Choice([*PROVIDERS]), help="Run only on this provider.  [default: all that work here]"
)
@cli.json_option
@cli.common_options
def command(bundle: Path | None, provider: str | None, as_json: bool, quiet: bool, **_: bool) -> None:
    """Verify a bundle on this machine.

    BUNDLE is a folder written by cvae-export; the default is the packaged MNIST model. The command checks the
    bundle's hashes, and its golden vectors on every installed provider at every optimization level of ONNX Runtime. If
    an output disagrees, it exits with code 3. To compare a bundle with the run that it was exported from, use
    cvae-export RUN --verify BUNDLE.
    """
    contents = read_bundle(bundle)
    checks = check_everywhere(contents, provider)
    failed = sum(not check.result.agrees for check in checks)
    if as_json:
        cli.print_json(
            {"bundle": str(contents.path), "agrees": not failed, "golden": [_row(check) for check in checks]}
        )
    elif not quiet:
        print(table(checks))
    if failed:
        raise ParityError(
            f"{contents.path}: expected the outputs of its golden vectors, found {failed} of {len(checks)} that differ; "
            f"use another --provider or version of ONNX Runtime, or export the bundle again"
        )


@dataclasses.dataclass(frozen=True)
class Check:
    """One output of one graph on one provider, at the optimization level with the largest difference.

    Attributes:
        result: the difference from the golden vector, and the tolerance.
        provider, level: None for random numbers, which need no ONNX Runtime.
    """

    result: GoldenResult
    provider: str | None
    level: str | None


def check_everywhere(bundle: Bundle, provider: str | None = None) -> list[Check]:
    """Check a bundle's golden vectors at every optimization level of ONNX Runtime.

    Args:
        bundle: the bundle to check.
        provider: the provider to run on; None: every provider that works on this machine.

    Raises:
        BundleError: the vectors do not fit the bundle's graphs, or a graph has none.
        ProviderError: the requested provider is not installed or does not work.
    """
    onnxruntime = require("onnxruntime", "cpu")
    available = [name for name, full in PROVIDERS.items() if full in onnxruntime.get_available_providers()]
    worst: dict[tuple[str, str, str | None], Check] = {}
    for name in available if provider is None else [provider]:
        for level in onnxruntime.GraphOptimizationLevel.__members__:
            try:
                results = check_golden(bundle, name, level)
            except ProviderError as error:
                if provider is not None:
                    raise
                _log.warning("not run on %s: %s", name, error)
                break
            for result in results:
                check = Check(result, None, None) if result.file == "rng" else Check(result, name, level)
                key = (result.file, result.output, check.provider)
                worst[key] = max(worst.get(key, check), check, key=_badness)
    checks = list(worst.values())
    shaped = {
        graph.file for graph in bundle.manifest.graphs if provider is None or graph.target in ("portable", provider)
    }
    if missing := sorted(shaped - {check.result.file for check in checks}):
        raise BundleError(
            f"{bundle.path / bundle.manifest.golden.file}: expected golden vectors for every graph, found none for "
            f"{', '.join(missing)}; export the bundle again"
        )
    return checks


def _badness(check: Check) -> float:
    return math.inf if math.isnan(check.result.difference) else check.result.difference


def table(checks: Sequence[Check]) -> str:
    """Format checks as lines of text."""
    lines = [f"{'graph':26}{'output':34}{'provider':10}{'worst level':22}{'difference':>12}{'tolerance':>11}"]
    for check in checks:
        result = check.result
        where = f"{check.provider or '-':10}{check.level or '-':22}"
        figures = f"{result.difference:12.2e}{result.atol:11.1e}"
        verdict = "" if result.agrees else "  FAILS"
        name = f"{printable_values(result.file):26}{printable_values(result.output):34}"
        lines.append(f"{name}{where}{figures}{verdict}")
    return "\n".join(lines)


def _row(check: Check) -> dict[str, Any]:
    return {
        "graph": check.result.file,
        "output": check.result.output,
        "provider": check.provider,
        "worst_level": check.level,
        "difference": check.result.difference,
        "tolerance": check.result.atol,
        "agrees": check.result.agrees,
    }


def main() -> None:
    """Entry point of ``cvae-verify``."""
    cli.run(command)

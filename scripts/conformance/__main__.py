"""Print rows of the table in docs/runtimes.md; run it once for each runtime's environment.

PYTHONPATH=runtime python -m scripts.conformance openvino tract … [--bundle BUNDLE]
"""

import argparse
import contextlib
import json
from importlib import metadata
from pathlib import Path

from cvae_runtime import read_bundle
from cvae_runtime.bundle import parse_golden

from . import RUNTIMES, TOLERANCE, largest_difference


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.conformance")
    parser.add_argument("runtimes", nargs="+", choices=RUNTIMES, metavar="RUNTIME", help=", ".join(RUNTIMES))
    parser.add_argument("--bundle", type=Path, help="by default the package's")
    arguments = parser.parse_args()
    bundle = read_bundle(arguments.bundle)
    golden = parse_golden(bundle.files[bundle.manifest.golden.file], bundle.manifest.golden.file)
    cases = {case.file: case for case in golden.cases}
    graphs = [graph for graph in bundle.manifest.graphs if (graph.target, graph.precision) == ("portable", "float32")]
    print(f"| runtime | version | {' | '.join(graph.file for graph in graphs)} |\n|{'---|' * (2 + len(graphs))}")
    for name in arguments.runtimes:
        results = []
        for graph in graphs:
            try:
                difference = largest_difference(RUNTIMES[name], bundle, graph, cases[graph.file])
                results.append(f"{difference:.1e}" if difference <= TOLERANCE else f"**off** by {difference:.1e}")
            except Exception as error:  # runtimes raise errors of any type
                first = next(iter(str(error).splitlines()), "").replace("|", "/")
                results.append(f"**fails**: {type(error).__name__}: {first[:120]}")
        print(f"| {name} | {_version(name)} | {' | '.join(results)} |", flush=True)


def _version(name: str) -> str:
    package = Path("node_modules", name, "package.json")
    if package.exists():
        return json.loads(package.read_text())["version"]
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return "not installed"


if __name__ == "__main__":
    _main()

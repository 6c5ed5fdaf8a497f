"""Compare runtimes with golden vectors: PYTHONPATH=runtime python -m scripts.conformance.

Each runtime gives a row of a Markdown table, each graph a column. Runtimes that are not installed are left out.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cvae_runtime import Bundle, packaged_bundle, read_bundle
from cvae_runtime.bundle import GraphInfo
from cvae_runtime.files import write_file

from . import RUNTIMES, TOLERANCE, compare
from ._javascript import PACKAGES as JAVASCRIPT
from ._runtimes import FLOAT_PIXELS, PACKAGES, TITLES
from ._tools import ConvertsOnly

_TABLE = re.compile(r"^\| runtime \|(?:.*\n)(?:\|.*\n)*", re.MULTILINE)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.conformance")
    parser.add_argument("runtimes", nargs="*", metavar="RUNTIME", help=f"by default all: {', '.join(RUNTIMES)}")
    parser.add_argument("--bundle", type=Path, nargs="+", default=[packaged_bundle()], help="by default the package's")
    parser.add_argument(
        "--markdown", type=Path, metavar="DOCUMENT", help="write the rows into its table; rows of other versions stay"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.runtimes) - set(RUNTIMES):
        parser.error(f"unknown runtimes: {', '.join(sorted(unknown))}")
    document = arguments.markdown.read_text(encoding="utf-8") if arguments.markdown else ""
    if arguments.markdown and not _TABLE.search(document):
        parser.error(f"{arguments.markdown}: expected a table with the header | runtime |, found none; add one")
    bundles = [read_bundle(path) for path in arguments.bundle]
    titles = [
        graph.role if len(bundles) == 1 else f"{bundle.path.name} {graph.role}"
        for bundle in bundles
        for graph in _graphs(bundle)
    ]
    lines = [f"| runtime | version | {' | '.join(titles)} | reason |", f"|{'---|' * (3 + len(titles))}"]
    for line in lines:
        print(line)
    for name in arguments.runtimes or RUNTIMES:
        if version := _version(PACKAGES.get(name, name)):
            lines.append(_row(name, version, bundles))
            print(lines[-1], flush=True)
        else:
            print(f"{name} is not installed", file=sys.stderr)
    if arguments.markdown:
        write_file(arguments.markdown, _TABLE.sub(lambda match: _merged(match[0], lines), document).encode())


def _graphs(bundle: Bundle, name: str | None = None) -> list[GraphInfo]:
    """The portable graphs, one for each column; a runtime of `FLOAT_PIXELS` has the other encoder in the column."""
    found = [graph for graph in bundle.manifest.graphs if (graph.target, graph.precision) == ("portable", "float32")]
    graphs = {graph.role: graph for graph in found}
    with_floats = graphs.pop("encoder_float", None)
    if name in FLOAT_PIXELS and with_floats is not None:
        graphs["encoder"] = with_floats
    return list(graphs.values())


def _row(name: str, version: str, bundles: Sequence[Bundle]) -> str:
    cells, reasons = [], []
    for bundle in bundles:
        for graph in _graphs(bundle, name):
            try:
                difference = compare(name, bundle, graph)
                cells.append(f"{difference:.1e}" if difference <= TOLERANCE else f"**off by {difference:.1e}**")
            except ConvertsOnly as error:
                cells.append("converts")
                reasons.append(str(error))
            except RuntimeError as error:
                cells.append("**fails**")
                reasons.append(str(error))
    return f"| {TITLES.get(name, name)} | {version} | {' | '.join(cells)} | {'; '.join(dict.fromkeys(reasons))} |"


def _version(package: str) -> str | None:
    manifest = JAVASCRIPT / "node_modules" / package / "package.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _merged(table: str, lines: Sequence[str]) -> str:
    """Replace rows of a table, in the order of `RUNTIMES`, others last; a table with other columns is replaced."""
    old = table.splitlines()
    rows = {tuple(line.split(" | ")[:2]): line for line in [*(old[2:] if old[0] == lines[0] else ()), *lines[2:]]}
    order = {f"| {TITLES.get(name, name)}": place for place, name in enumerate(RUNTIMES)}
    ordered = sorted(rows.items(), key=lambda row: order.get(row[0][0], len(order)))
    return "\n".join([*lines[:2], *(line for _, line in ordered)]) + "\n"


if __name__ == "__main__":
    _main()

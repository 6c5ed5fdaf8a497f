"""The command line: run questions, print their tables, write their results; see ``--help``."""

import argparse
import datetime as dt
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from cvae_runtime import CvaeError

from ._document import Document, DocumentError, write_document
from ._environment import environment
from ._options import count_of, seconds_of
from ._process import ContenderError
from ._progress import Progress
from ._result import Comparison
from ._table import legend, table

# In the order of "all". A question is a module with OPTIONS (names in _COMMON), an optional add_options(parser), and
# run(), which yields comparisons and text. With IN_ALL = False it is no part of "all". With OWN_TABLE = True the text
# has the tables, and those of the comparisons are not printed.
QUESTIONS = ("inference", "training", "graphs", "startup", "runtimes", "quality", "own_images", "labels", "detector")


_COMMON: Mapping[str, dict[str, object]] = {
    "peers": {
        "nargs": "+",
        "metavar": "WORD",
        "help": "only peers whose names contain a word: JAX OpenVINO",
    },
    "batch": {"nargs": "+", "type": count_of, "metavar": "N", "help": "the batch sizes"},
    "threads": {"nargs": "+", "type": count_of, "metavar": "N", "help": "the numbers of threads"},
    "seconds": {"type": seconds_of, "metavar": "S", "help": "approximate seconds per contender and round"},
}


def question_module(name: str) -> ModuleType:
    """The module of a question."""
    return importlib.import_module(f"benchmarks.{name}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare cvae_runtime with other frameworks on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="QUESTION")
    for name in QUESTIONS:
        module = question_module(name)
        options = commands.add_parser(name, help=str(module.__doc__).splitlines()[0])
        _add_common(options, module.OPTIONS)
        if hasattr(module, "add_options"):
            module.add_options(options)
    everything = commands.add_parser("all", help="all questions but own_images, labels and detector, one after another")
    _add_common(everything, _COMMON)
    comparing = commands.add_parser("compare", help="the ratios of two result files; exit 3 on a regression")
    comparing.add_argument("before", type=Path, metavar="A.json")
    comparing.add_argument("after", type=Path, metavar="B.json")
    reporting = commands.add_parser("report", help="a Markdown page with tables and pictures from a result file")
    reporting.add_argument("document", type=Path, metavar="A.json")
    reporting.add_argument("report", type=Path, metavar="OUT.md")

    given = vars(parser.parse_args(argv))
    command = given.pop("command")
    try:
        if command == "compare":
            from ._compare import compare_files

            text, code = compare_files(**given)
            print(text)
            return code
        if command == "report":
            from ._document import read_document
            from ._report import write_report

            write_report(read_document(given["document"]), given["report"])
            return 0
        asked = [name for name in QUESTIONS if getattr(question_module(name), "IN_ALL", True)]
        return _ask(asked if command == "all" else [command], **given)
    except (DocumentError, ContenderError, CvaeError, OSError) as error:
        print(f"python -m benchmarks {command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\npython -m benchmarks {command}: interrupted", file=sys.stderr)
        return 130


def _add_common(parser: argparse.ArgumentParser, known: Sequence[str] | Mapping[str, object]) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; do not quote the figures")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures of every round")
    parser.add_argument(
        "--report", type=Path, metavar="OUT.md", help="write a page, and its pictures to a folder beside it"
    )
    for name in known:
        parser.add_argument(f"--{name}", **_COMMON[name])  # type: ignore[arg-type]


def _ask(names: Sequence[str], *, json: Path | None, report: Path | None, quick: bool, **options: object) -> int:
    """Run questions, print each result as soon as it is known, and update the files after each question."""
    progress = Progress()
    for path in (json, report):
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.absolute().parent}")
    date = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, list[Comparison]] = {}
    document = Document(date, quick, environment(), found)
    print(f"{document.environment['processor']}, {document.environment['cores']} cores")
    for number, name in enumerate(names):
        module = question_module(name)
        known = {key: value for key, value in options.items() if key not in _COMMON or key in module.OPTIONS}
        found[name] = []
        progress.note(f"{name} ({number + 1} of {len(names)})")
        for part in module.run(quick=quick, progress=progress, **known):
            progress.close()
            if isinstance(part, str):
                print(f"\n{part}", flush=True)
                continue
            found[name].append(part)
            if getattr(module, "OWN_TABLE", False):
                continue
            print(f"\n{part.name}: {legend(part)}\n\n{table(part)}", flush=True)
        if json:
            write_document(document, json)
        if report:
            from ._report import write_report

            write_report(document, report)
    return 0

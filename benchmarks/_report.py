"""Write the report of a result file: a Markdown page with a table and a picture for each comparison."""

import importlib
from pathlib import Path

from ._chart import draw
from ._document import Document
from ._table import legend, table


def write_report(document: Document, path: Path) -> None:
    """Write a page, and its pictures to a folder of the same name beside it.

    Raises:
        OSError: a file cannot be written.
    """
    where = document.environment
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items() if version)
    machine = f"{where['processor']}, {where['cores']} cores, {where['memory_bytes'] / 1e9:.0f} GB of memory"
    system = f"{where['system']}, Python {where['python']}"
    parts = [f"# Benchmarks, {document.date[:10]}", f"{machine}; {system}; {versions}."]
    parts.append(f"Vector instructions: {' '.join(where['flags']) or 'unknown'}.")
    if document.quick:
        parts.append("A quick run with few and short rounds: do not quote these figures.")
    for name, comparisons in document.questions.items():
        parts += [f"## {name.capitalize()}", _question(name)]
        for number, comparison in enumerate(comparisons, 1):
            parts += [f"### {comparison.name}", legend(comparison)]
            if comparison.measured:
                picture = path.with_suffix("") / f"{name}-{number}.png"
                picture.parent.mkdir(exist_ok=True)
                draw(comparison, picture)
                parts.append(f"![Chart of the table below]({picture.parent.name}/{picture.name})")
            parts.append(table(comparison))
    text = "\n\n".join(filter(None, parts)).replace("<", "&lt;")
    path.write_text(f"{text}\n", encoding="utf-8")


def _question(name: str) -> str:
    """The first line of the module's docstring; empty for questions that this version does not have."""
    try:
        return str(importlib.import_module(f"benchmarks.{name}").__doc__).splitlines()[0]
    except ImportError:
        return ""

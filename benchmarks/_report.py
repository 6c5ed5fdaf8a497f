"""The HTML report: one file that needs no other, light and dark as the reader's system is, a picture a comparison."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from ._chart import chart
from ._document import Document
from ._result import Comparison, Entry, Point
from ._sentences import sentences
from ._svg import tag
from ._table import figure, heading, versus

_COLOURS = (
    *("ours", "ours-fewer", "tensorflow", "litert", "pytorch", "jax", "openvino", "onnxruntime", "other", "ceiling"),
)
_METHOD = (
    "Every contender works in a process of its own. Its outputs are compared with the reference before anything is timed; "
    "what is wrong is refused. Then come rounds: each visits all contenders in turn, one running at a time, and begins "
    "with another. A figure is the median over the rounds; a ratio, written 1.50x, says how many times better than the "
    "best peer something is, and is the median of the rounds' ratios. The best peer of a float32 contender is the best in "
    "float32, that of one in fewer bits the best in any precision."
)


def write_report(document: Document, path: Path) -> None:
    """Write a report; `OSError` if that cannot be."""
    path.write_text(report(document), encoding="utf-8")


def report(document: Document) -> str:
    """The page."""
    where = document.environment
    head = f"{where['processor']}, {where['cores']} cores; {document.date[:10]}"
    quick = tag("p", "A quick look: few and short rounds, nothing to quote.", class_="quick") if document.quick else ""
    body = [
        tag("h1", "cvae-toolkit benchmarks"),
        tag("p", escape(head), class_="soft"),
        quick,
        tag("ul", "".join(_in_short(document)), class_="short"),
        *(_question(name, comparisons) for name, comparisons in document.questions.items()),
        tag("h2", "How it was measured", id="method"),
        tag("p", escape(_METHOD)),
        _environment(document),
    ]
    head_of_page = (
        '<meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>cvae-toolkit benchmarks, {escape(document.date[:10])}</title><style>{_styles()}</style>"
    )
    page = tag("html", f"<head>{head_of_page}</head><body>{tag('main', ''.join(body))}</body>", lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _styles() -> str:
    colours = "".join(
        f"svg .{name} {{ fill: var(--{name}); stroke: var(--{name}); }} svg text.{name} {{ fill: var(--{name}); stroke: none; }}\n"
        for name in _COLOURS
    )
    # Colours come first, so that the page's own rules can say that a line is not filled.
    return colours + Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _title(question: str) -> str:
    try:
        return str(importlib.import_module(f"benchmarks.{question}").TITLE)
    except (ImportError, AttributeError):  # a file of a version that asked something else
        return question


def _in_short(document: Document) -> Iterable[str]:
    for name, comparisons in document.questions.items():
        if comparisons:
            link = tag("a", escape(_title(name)), href=f"#{name}")
            first = comparisons[0]
            told = tag("span", escape(f"{first.name}: {sentences(first)[0]}"))
            yield tag("li", f"{link}{told}")


def _question(name: str, comparisons: Iterable[Comparison]) -> str:
    comparisons = list(comparisons)
    skipped = {e.name: e.reason or "" for each in comparisons for e in each.entries if e.status == "skipped"}
    listed = "".join(
        tag("tr", tag("td", escape(entry)) + tag("td", escape(reason), class_="reason"))
        for entry, reason in skipped.items()
    )
    told = tag("summary", f"{len(skipped)} skipped") + tag("table", listed)
    return (
        tag("h2", escape(_title(name)), id=name)
        + "".join(_figure(comparison) for comparison in comparisons)
        + (tag("details", told) if skipped else "")
    )


def _figure(comparison: Comparison) -> str:
    told = "".join(tag("p", escape(sentence)) for sentence in sentences(comparison))
    caption = tag("figcaption", tag("h3", escape(comparison.name)) + told)
    figures = tag("details", tag("summary", "all figures") + tag("div", _table(comparison), class_="scroll"))
    return tag("figure", caption + tag("div", chart(comparison) or "<!-- -->", class_="scroll") + figures)


def _table(comparison: Comparison) -> str:
    places = comparison.places
    unit = f"{comparison.unit}, {comparison.better} is better"
    head = tag("tr", tag("th", escape(unit)) + "".join(tag("th", escape(heading(comparison, at))) for at in places))
    rows = []
    for entry in comparison.entries:
        cells = [tag("td", escape(entry.name))]
        if entry.status == "measured":
            cells += [tag("td", escape(_cell(comparison, entry, entry.point(at)))) for at in places]
        else:
            cells.append(
                tag("td", escape(f"{entry.status}: {entry.reason}"), colspan=max(1, len(places)), class_="reason")
            )
        rows.append(tag("tr", "".join(cells)))
    return tag("table", head + "".join(rows))


def _cell(comparison: Comparison, entry: Entry, point: Point | None) -> str:
    if point is None:
        return "-"
    best = comparison.best_peer(entry, point.at)
    peer = best.point(point.at) if best and entry.kind != "ceiling" else None
    share = comparison.share_of_ceiling(entry, point.at)
    parts = [figure(comparison, point.median)]
    if len(point.rounds) > 1:
        parts.append(f"±{point.spread:.0%}")
    if peer is not None and peer is not point:
        parts.append(versus(comparison, point, peer))
    if share is not None and comparison.better == "higher":
        parts.append(f"{share:.0%} of the ceiling")
    return " · ".join(parts)


def _environment(document: Document) -> str:
    where = document.environment
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items() if version)
    facts = {
        "processor": where["processor"],
        "flags": " ".join(where["flags"]),
        "cores allowed": where["cores"],
        "governor": where["governor"] or "cannot be read here",
        "memory": f"{where['memory_bytes'] / 1e9:.0f} GB available",
        "system": f"{where['system']}, {where['machine']}",
        "Python": where["python"],
        "versions": versions,
        "began": document.date,
    }
    return tag("dl", "".join(tag("dt", escape(key)) + tag("dd", escape(str(value))) for key, value in facts.items()))

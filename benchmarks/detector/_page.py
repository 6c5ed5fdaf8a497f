"""The tables of the results, as Markdown."""

from collections.abc import Mapping, Sequence

from cvae_export import Auroc

from .._table import markdown_table
from ._record import Record
from ._tasks import ALPHAS, COLUMNS, LEAST_IOU, TASKS

Row = Mapping[str, Record]  # the records of a task, by class


def mean_auroc(row: Row, score: str) -> float | None:
    """Mean AUROC of a score over the models of a task; None if the task has no such score."""
    areas = [record.figures["auroc"].get(score) for record in row.values()]
    return None if None in areas else sum(area["value"] for area in areas) / len(row)


def mean_of_detectors(row: Row) -> float:
    """Mean AUROC of the calibrated bundles of a task, each with the score that its rule chose."""
    return sum(record.figures["detector_auroc"]["value"] for record in row.values()) / len(row)


def tables(rows: Mapping[str, Row], false_alarms: Record | None) -> str:
    """The tables of AUROC, of each class, of published figures, and of false alarms."""
    parts = []
    if rows:
        parts += [
            _of_tasks(rows),
            *(_of_classes(name, row) for name, row in rows.items() if len(row) > 1),
            _published(rows),
            _of_boxes(rows),
        ]
    if false_alarms is not None:
        parts.append(_of_false_alarms(false_alarms))
    return "\n\n".join(filter(None, parts))


def _of_tasks(rows: Mapping[str, Row]) -> str:
    table = [
        [
            "AUROC",
            *COLUMNS,
            "chosen",
            "with it",
            "to reach",
            "alarms: good",
            "alarms: outliers",
        ]
    ]
    for name, row in rows.items():
        task = TASKS[name]
        models = f" ({len(row)} of {len(task.classes)} models)" if len(row) < len(task.classes) else ""
        table.append(
            [
                f"{name}{models}",
                *(_figure(mean_auroc(row, score)) for score in COLUMNS),
                _chosen(row),
                f"{mean_of_detectors(row):.3f}"
                if len(row) > 1
                else str(Auroc(**next(iter(row.values())).figures["detector_auroc"])),
                _figure(task.target, "g"),
                *(
                    f"{sum(record.figures['alarms'][kind] for record in row.values()) / len(row):.1%}"
                    for kind in ("good", "bad")
                ),
            ]
        )
    return markdown_table(table)


def _of_classes(name: str, row: Row) -> str:
    table = [[f"AUROC, {name}", *COLUMNS, "chosen", "with it"]]
    for good_class, record in row.items():
        figures = record.figures
        aurocs = (_figure(mean_auroc({good_class: record}, score)) for score in COLUMNS)
        table.append([good_class, *aurocs, figures["chosen"], str(Auroc(**figures["detector_auroc"]))])
    return markdown_table(table)


def _published(rows: Mapping[str, Row]) -> str:
    found = [[name, each.name, f"{each.auroc:.3f}", each.source] for name in rows for each in TASKS[name].published]
    return markdown_table([["task", "published", "AUROC", "source"], *found]) if found else ""


def _of_boxes(rows: Mapping[str, Row]) -> str:
    found = [
        [name, f"{record.figures['alarms']['bad']:.1%}", f"{record.figures['iou']:.2f}", f"{LEAST_IOU:g}"]
        for name, row in rows.items()
        for record in row.values()
        if "iou" in record.figures
    ]
    head = ["boxes around defects", "alarms: outliers", "median IoU", "to reach"]
    return markdown_table([head, *found]) if found else ""


def _figure(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _of_false_alarms(record: Record) -> str:
    figures = record.figures
    table = [
        ["rate of false alarms", "calibration", "fresh", "seeds", "found", "alarms", "99% interval", "seeds within"]
    ]
    for alpha in ALPHAS:
        found = figures["rates"][str(alpha)]
        alarms: Sequence[int] = found["alarms"]
        low, high = found["interval"]
        table.append(
            [
                f"{alpha:g}",
                f"{figures['calibration']:,}",
                f"{figures['fresh']:,}",
                str(len(alarms)),
                f"{sum(alarms) / len(alarms) / figures['fresh']:.4f}",
                f"{min(alarms)} to {max(alarms)}",
                f"{low} to {high}",
                f"{found['within']} of {len(alarms)}",
            ]
        )
    return markdown_table(table)


def _chosen(row: Row) -> str:
    """The chosen scores, the most frequent first."""
    names = [record.figures["chosen"] for record in row.values()]
    counts = sorted(((names.count(name), name) for name in set(names)), reverse=True)
    return ", ".join(name if len(counts) == 1 else f"{name} {count}x" for count, name in counts)

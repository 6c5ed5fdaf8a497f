"""Compare runs on one data set: their figures, the settings that differ, and one picture of curves and samples."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvae_runtime import InputError
from cvae_runtime.images import read_image

from ._config import TrainConfig
from ._run import DataInfo, EpochRecord, RunFolder, draw, read_history

_COLUMNS = 4  # samples side by side in a row
_LONGEST = 10  # entries of a list in a table


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """Figures of one run. ELBO, reconstruction and KL are those of the epoch whose weights the run keeps.

    The figures of a model with labels are given the label of each image: bounds on log p(x | label).

    Attributes:
        folder: the run folder.
        config: the recipe.
        data: the images.
        history: one record per epoch.
        iw_bound: from evaluation.json, in nats per image; None if the run was not evaluated.
    """

    folder: RunFolder
    config: TrainConfig
    data: DataInfo
    history: Sequence[EpochRecord]
    iw_bound: float | None

    @property
    def name(self) -> str:
        """Path of the run as the caller gave it."""
        return str(self.folder.path)

    @property
    def kept(self) -> EpochRecord:
        """Record of the epoch whose weights the run keeps."""
        return self.history[self.folder.read_course().kept_epoch(self.history) - 1]

    @property
    def condition(self) -> tuple[Any, ...]:
        """Names and fingerprint of the labels that the figures are given; empty for models without labels."""
        labels = self.config.model.labels
        return (labels, self.data.labels_fingerprint) if labels else ()

    @property
    def elbo_without_label(self) -> float:
        """The ELBO, or for C classes the bound on log p(x) of ELBO given the label - log C."""
        return self.kept.elbo - math.log(len(self.config.model.labels) or 1)

    @property
    def title(self) -> str:
        """Name of the run, and whether its figures are given the label."""
        return f"{self.name}, given the label" if self.condition else self.name

    @property
    def figures(self) -> dict[str, Any]:
        """Figures by name, as in the table and in JSON."""
        kept, bits = self.kept, self.config.model.bits_per_dimension
        return {
            "run": self.name,
            "finished": self.folder.finished,
            "epoch": kept.epoch,
            "epochs": len(self.history),
            "minutes": sum(record.seconds for record in self.history) / 60,
            "elbo": kept.elbo,
            "elbo_without_label": self.elbo_without_label,
            "bits_per_dimension": bits(kept.elbo),
            "reconstruction": kept.reconstruction,
            "kl": kept.kl,
            "iw_bound": self.iw_bound,
            "given_classes": len(self.config.model.labels) or None,
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs that were tested on the same images, with the same binarization and kind of likelihood.

    Attributes:
        runs: two or more runs.
    """

    runs: Sequence[ComparedRun]

    @property
    def alike(self) -> bool:
        """Whether all figures are given the same: the same labels of the same images, or none."""
        return len({run.condition for run in self.runs}) == 1

    @property
    def best(self) -> ComparedRun:
        """The run with the highest test ELBO; if the runs differ in labels, the one without the label."""
        return max(self.runs, key=lambda run: run.kept.elbo if self.alike else run.elbo_without_label)

    @property
    def differences(self) -> dict[str, list[Any]]:
        """Settings that differ between the runs, each with the values of all runs."""
        settings = [{**_flat(run.config.to_json()), **_labels_of(run)} for run in self.runs]
        values = {name: [setting[name] for setting in settings] for name in settings[0]}
        return {name: found for name, found in values.items() if any(value != found[0] for value in found)}

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON values."""
        first = self.runs[0]
        data = {"source": first.data.source, "test_images": first.data.test_images, "binarize": first.config.binarize}
        runs = [run.figures for run in self.runs]
        return {"data": data, "runs": runs, "best": self.best.name, "differences": self.differences}

    def table(self) -> str:
        """Format figures and differing settings as a text table; * marks the best run."""
        first = self.runs[0]
        levels = first.config.model.likelihood != "bernoulli"
        head = [
            "",
            "run",
            "epoch",
            "minutes",
            "ELBO",
            *([] if self.alike else ["without label"]),
            *(["bits/dim"] if levels else []),
            "reconstruction",
            "KL",
            "IW bound",
        ]
        rows = [head]
        for run in self.runs:
            figures = run.figures
            bits = [f"{figures['bits_per_dimension']:.3f}"] if levels else []
            rows.append(
                [
                    "*" if run is self.best else "",
                    run.name,
                    f"{figures['epoch']}/{figures['epochs']}" + ("" if figures["finished"] else " (stopped)"),
                    f"{figures['minutes']:.1f}",
                    f"{figures['elbo']:.2f}",
                    *([] if self.alike else [f"{figures['elbo_without_label']:.2f}"]),
                    *bits,
                    f"{figures['reconstruction']:.2f}",
                    f"{figures['kl']:.2f}",
                    "-" if figures["iw_bound"] is None else f"{figures['iw_bound']:.2f}",
                ]
            )
        settings = [["", "setting", *(run.name for run in self.runs)]]
        settings += [["", name, *map(_shown, values)] for name, values in self.differences.items()]
        binarize = first.config.binarize
        pixels = "8-bit pixels" if levels else "grey pixels" if binarize == "none" else f"pixels binarized ({binarize})"
        title = f"{first.data.test_images:,} test images of {first.data.source}, {pixels}; nats per image"
        parts = [[title], _aligned(rows), self._notes(), *([[""], _aligned(settings)] if len(settings) > 1 else [])]
        return "\n".join(line for part in parts for line in part)

    def _notes(self) -> list[str]:
        """State which figures are given the label."""
        labelled = [run for run in self.runs if run.condition]
        if not labelled:
            return []
        if self.alike:
            return ["all figures are given the label: log p(x | label)"]
        most = max(len(run.config.model.labels) for run in labelled)
        return [
            f"given the label, log p(x | label): {', '.join(run.name for run in labelled)}",
            f"do not compare these figures with others: {most:,} classes are worth up to {math.log(most):.2f} nats",
            "without label: at least this log p(x), ELBO given the label - log(classes); * marks its highest",
        ]

    def picture(self) -> bytes:
        """Draw the test ELBO over epochs and over time, and samples of the kept epoch of each run, as PNG."""
        columns = min(_COLUMNS, len(self.runs))
        rows = math.ceil(len(self.runs) / columns)
        return draw((12.0, 4.0 + 12.0 / columns * rows), lambda figure: self._paint(figure, rows, columns))

    def _paint(self, figure: Any, rows: int, columns: int) -> None:
        curves, samples = figure.subfigures(2, 1, height_ratios=[4.0, 12.0 / columns * rows])
        over_epochs, over_time = curves.subplots(1, 2, sharey=True)
        for run in self.runs:
            elbos = [record.elbo for record in run.history]
            over_epochs.plot(
                [record.epoch for record in run.history], elbos, label=run.name if self.alike else run.title, marker="."
            )
            minutes = np.cumsum([record.seconds for record in run.history]) / 60
            over_time.plot(minutes, elbos, marker=".")
        given = " given the label" if self.alike and self.runs[0].condition else ""
        over_epochs.set(xlabel="epoch", ylabel=f"test ELBO{given} (nats per image)")
        over_time.set(xlabel="minutes of training")
        # The first epochs gain more than all later ones together and would flatten the rest of the curves.
        over_epochs.set_ylim(bottom=min(run.history[len(run.history) // 20].elbo for run in self.runs))
        if (unit := self.runs[0].config.model.bits_per_dimension(1.0)) is not None:
            axis = over_time.secondary_yaxis("right", functions=(lambda nats: nats * unit, lambda bits: bits / unit))
            axis.set_ylabel("bits per dimension")
        over_epochs.legend()
        grid = samples.subplots(rows, columns, squeeze=False).reshape(-1)
        for axes in grid:
            axes.axis("off")
        for axes, run in zip(grid, self.runs, strict=False):
            path = run.folder.sample(run.kept.epoch)
            axes.imshow(np.asarray(read_image(path, str(path))), cmap="gray", vmin=0, vmax=255)
            axes.set_title(f"{run.name}, epoch {run.kept.epoch}")


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Read runs, finished or not, and check that their figures can be compared.

    Args:
        paths: two or more run folders.

    Raises:
        InputError: a folder is no run, or has no epoch yet; or the runs differ in test images, binarization or kind of
            likelihood.
    """
    runs = [_read(path) for path in paths]
    first = runs[0]
    for run in runs[1:]:
        if _tested_on(run) != _tested_on(first):
            raise InputError(
                f"{run.name}: expected a run with the test images of {first.name}, {_describe(first)}, found "
                f"{_describe(run)}; compare runs on the same data, read with the same options"
            )
    return Comparison(runs)


def _read(path: Path) -> ComparedRun:
    folder = RunFolder(path)
    config, data = folder.read_config()
    history = read_history(folder.history) if folder.history.is_file() else []
    if not history:
        raise InputError(f"{path}: expected a run with at least one epoch, found none; train it first")
    return ComparedRun(folder, config, data, history, _read_bound(folder))


def _read_bound(folder: RunFolder) -> float | None:
    if not folder.evaluation.is_file():
        return None
    try:
        fields = json.loads(folder.evaluation.read_text())
        return float(fields["iw_bound"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder.evaluation}: expected the figures of an evaluation, found {error!r}; write them again with "
            f"cvae-evaluate --overwrite"
        ) from error


def _tested_on(run: ComparedRun) -> tuple[Any, ...]:
    test = run.data.test_fingerprint or run.data.fingerprint
    return test, run.config.binarize, run.config.model.likelihood == "bernoulli"


def _describe(run: ComparedRun) -> str:
    height, width, channels = run.config.model.image_shape
    test = (run.data.test_fingerprint or run.data.fingerprint)[:8]
    return (
        f"{run.data.test_images:,} of {width}x{height}x{channels} (fingerprint {test}...) under "
        f"{run.config.model.likelihood}, binarize {run.config.binarize}"
    )


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in fields.items() if name != "model"}, **fields["model"]}


def _labels_of(run: ComparedRun) -> dict[str, Any]:
    """Fingerprint of the labels, which are part of the images, of a run whose model has them."""
    return {"labels_fingerprint": run.data.labels_fingerprint if run.condition else None}


def _shown(value: Any) -> str:
    """Format a setting for a table; of long lists only the first entries and how many there are."""
    if isinstance(value, list) and len(value) > _LONGEST:
        return f"{value[:3]} and {len(value) - 3:,} more"
    return str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: the first two to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if place < 2 else f"{cell:>{width}}" for place, (cell, width) in enumerate(cells)
        ).rstrip()
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]

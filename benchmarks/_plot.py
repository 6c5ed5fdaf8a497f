"""Rates as grouped bars: a panel a task, a group a batch size, a bar a contender, from the slowest round to the fastest."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ._harness import Result


def draw_rates(
    results: Mapping[str, Result], batches: Sequence[int], colours: Mapping[str, str], lines: Sequence[str], path: Path
) -> None:
    """Write a PNG.

    Args:
        results: by task.
        batches: items a call.
        colours: contender -> colour, in the order of the legend; others are not drawn.
        lines: the contenders that are drawn as lines, not as bars.
        path: the file.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(11.0, 3.2 * len(results) + 0.9), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    handles = {}
    places = np.arange(len(batches))
    for panel, (task, result) in zip(panels, results.items(), strict=True):
        names = [name for name in colours if name in result.rates]
        bars = [name for name in names if name not in lines]
        width = 0.84 / max(1, len(bars))
        for name in names:
            rounds = [result.rates[name][batch] for batch in batches]
            medians = np.array([statistics.median(rates) for rates in rounds])
            if name in lines:
                ends = [place + side for place in places for side in (-0.46, 0.46, np.nan)]
                (handles[name],) = panel.plot(ends, np.repeat(medians, 3), "--", color=colours[name], linewidth=1.4)
                continue
            spread = np.abs(np.array([[min(rates), max(rates)] for rates in rounds]).T - medians)
            offset = (bars.index(name) - (len(bars) - 1) / 2) * width
            handles[name] = panel.bar(
                places + offset,
                medians,
                width * 0.92,
                yerr=spread,
                color=colours[name],
                error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
            )
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panel.yaxis.set_major_formatter("{x:,.0f}")
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_ylabel("images a second")
        panel.set_title(task, loc="left", fontsize=11)
        panel.set_xticks(places, [f"batch {batch}" for batch in batches])
        panel.grid(axis="y", alpha=0.3)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    figure.savefig(path, dpi=120)

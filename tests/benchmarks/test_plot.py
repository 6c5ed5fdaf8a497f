import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks._harness import Result
from benchmarks._plot import draw_rates


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """What is drawn of two contenders and a line."""
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **options: (drawn.append(self), save(self, *args, **options))
    )
    rates = {
        "a": {1: [10, 30, 20], 8: [100, 100, 100]},
        "b": {1: [5, 5, 5], 8: [50, 70, 60]},
        "top": {1: [500], 8: [600]},
    }
    colours = {"a": "#ff0000", "b": "#00ff00", "top": "#000000", "absent": "#0000ff"}
    draw_rates({"decoding": Result(rates, rates, {})}, (1, 8), colours, ("top",), tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    return drawn[0]


def test_bars_are_medians_in_groups_and_whiskers_go_to_the_slowest_and_the_fastest_round(figure):
    (panel,) = figure.axes
    a, b = (container for container in panel.containers if hasattr(container, "patches"))
    assert [bar.get_height() for bar in a] == [20, 100]
    assert [bar.get_height() for bar in b] == [5, 60]
    lowest, highest = zip(*(segment[:, 1] for segment in a.errorbar.lines[2][0].get_segments()), strict=True)
    assert (lowest, highest) == ((10, 100), (30, 100))
    assert panel.get_yscale() == "log"
    assert [label.get_text() for label in panel.get_xticklabels()] == ["batch 1", "batch 8"]


def test_a_ceiling_is_a_line_over_each_group(figure):
    (line,) = (line for line in figure.axes[0].lines if line.get_linestyle() == "--")
    np.testing.assert_array_equal(line.get_ydata(), [500, 500, 500, 600, 600, 600])


def test_the_legend_names_who_was_measured(figure):
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "top"]

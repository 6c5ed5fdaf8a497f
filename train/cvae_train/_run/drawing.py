"""Figures of Matplotlib, drawn alike whatever the user's own settings are, which stay as they were.

Figures are made by its object interface: pyplot would choose a window system for the whole process.
"""

import io
from collections.abc import Callable
from typing import Any

from cvae_runtime.system import require

from .._environment import any_matplotlib_backend


def draw(size: tuple[float, float], paint: Callable[[Any], None]) -> bytes:
    """Draw a figure as PNG.

    Args:
        size: width and height in inches, of 120 pixels each.
        paint: draws on a ``matplotlib.figure.Figure``.
    """
    with any_matplotlib_backend():
        matplotlib = require("matplotlib", "train")
    from matplotlib.figure import Figure

    # Of a matplotlibrc: text.usetex needs LaTeX, savefig.bbox changes the size.
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()

"""Draw Matplotlib figures independently of the user's settings, without changing them.

This uses the object interface, because pyplot selects a window system for the whole process.
"""

import io
from collections.abc import Callable
from typing import Any

from cvae_runtime.system import require

from .._environment import any_matplotlib_backend


def draw(size: tuple[float, float], paint: Callable[[Any], None]) -> bytes:
    """Draw a figure as PNG.

    Args:
        size: width and height in inches; 120 pixels per inch.
        paint: function that draws on a ``matplotlib.figure.Figure``.
    """
    with any_matplotlib_backend():
        matplotlib = require("matplotlib", "train")
    from matplotlib.figure import Figure

    # A user's matplotlibrc may set text.usetex, which needs LaTeX, or savefig.bbox, which changes the size.
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()

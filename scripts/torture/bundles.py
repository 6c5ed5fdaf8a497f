"""Damaged bundles: each must load and compute, or raise `BundleError` or `IntegrityError` with the path of the file.

Another exception, a crash or a hang is a defect. The printed seed reproduces it: `write_damaged(files, folder,
rng_of("SEED"))`.
"""

import tempfile
import warnings
from pathlib import Path

import numpy as np

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.random

from ._counts import Counts, rng_of, until
from ._damage import clear, write_damaged
from ._parts import outcome_of, try_part

_PART = 40  # bundles per process
_LIKELIHOODS = ("bernoulli", "discretized-logistic", "discretized-logistic-mixture")


def run_attack(seconds: float, seed: int) -> Counts:
    """Try bundles until the time is over."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        for number in until(seconds):
            try_part("bundles", _try_bundles, f"{seed}/bundles/{number}", _PART, Path(folder), counts)
    return counts


def attempt(folder: Path, *, run: bool = True) -> str:
    """Load a bundle and compute, or only read it; return "read" or "refused", and raise for any other outcome.

    Raises:
        AssertionError: the error does not name a path of the bundle.
    """
    try:
        if not run:
            bundle = cvae.read_bundle(folder)
            cvae.bundle.parse_golden(bundle.files[bundle.manifest.golden.file], str(folder))
            return "read"
        with warnings.catch_warnings(), cvae.load(folder, provider="cpu", threads=1) as model:
            warnings.simplefilter("ignore")  # about infinite numbers: damaged weights have any value
            images = np.zeros((2, *model.image_shape), np.uint8)
            model.reconstruct(images)
            # Bundles of later versions may have other random numbers and likelihoods, which raise `InputError`.
            if (known := model.manifest.model).rng == cvae.random.RNG_NAME:
                model.generate(2)
                model.reconstruct(images, sample=True)
                if known.likelihood in _LIKELIHOODS:
                    model.score(images)
            cvae.check_golden(cvae.read_bundle(folder))
    except cvae.BundleError as error:
        if str(folder) not in str(error):
            raise AssertionError(f"names no file: {error}") from error
        return "refused"
    return "read"


def _try_bundles(begin: str, folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in cvae.packaged_bundle().iterdir()}
    for number in range(_PART):
        clear(folder)
        write_damaged(files, folder, rng_of(f"{begin}/{number}"))
        print(f"tried {number}\t{outcome_of(attempt, folder)}", flush=True)

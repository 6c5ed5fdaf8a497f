"""Write Python's results for the tests of other languages: python scripts/golden.py writes tests/golden/runtime.json.

The numbers are `cvae_runtime`'s for the packaged bundle and four tiny colour bundles. The script trains those that are
missing: ``tests/golden/mixture``, ``tests/golden/residual`` with a residual network that pads its images,
``tests/golden/colour`` with the likelihood of earlier bundles, and ``tests/golden/learned`` with a learned prior.
``tests/runtime/test_golden_numbers.py`` asserts that Python still computes the same numbers.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import cvae_runtime as cvae
import cvae_runtime.files

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
BUNDLES = {
    "mnist": ROOT / "runtime" / "cvae_runtime" / "bundles" / "mnist",
    "colour": GOLDEN / "colour",
    "mixture": GOLDEN / "mixture",
    "residual": GOLDEN / "residual",
    "learned": GOLDEN / "learned",
}
MODELS = {
    "colour": {"filters": (4,), "likelihood": "discretized-logistic"},
    "mixture": {"filters": (4,), "likelihood": "discretized-logistic-mixture"},
    "residual": {"filters": (4, 4, 4), "likelihood": "discretized-logistic-mixture", "architecture": "residual"},
    "learned": {"filters": (4,), "likelihood": "discretized-logistic", "prior": "learned"},
}
EPOCHS = {"learned": 40}  # by then the prior is no longer near N(0, I); 2 for the others
# The flow of a learned prior; a file of the usual size has half a megabyte.
SMALL_FLOW: dict[str, Any] = {"COUPLINGS": 3, "UNITS": 8}


def numbers_of(model: cvae.Model) -> dict[str, Any]:
    """Results of every method of a model, by method; seeds are strings, as in ``golden.json``."""
    samples = model.generate(4, seed=(1 << 63) + 7, first=1 << 40)
    images = cvae.to_uint8(samples)
    codes = model.encode(images)
    scores = model.score(images, samples=3, seed=5, first=2)
    return {
        "seed": str((1 << 63) + 7),
        "first": str(1 << 40),
        "generate": text(samples),
        "cool": text(model.generate(2, seed=3, temperature=0.5)),
        "latents": text(model.latents(3, seed=3, first=1 << 40, temperature=0.5)),
        "images": text(images),
        "grid": text(cvae.image_grid(images, columns=3, padding=2, scale=2)),
        "mean": text(codes.mean),
        "logvar": text(codes.logvar),
        "reconstruct": text(model.reconstruct(images[:2])),
        "drawn": text(model.reconstruct(images[:2], sample=True, seed=9, first=4)),
        "linear": text(model.interpolate(images[0], images[1], steps=3)),
        "spherical": text(model.interpolate(codes.mean[0], codes.mean[1], steps=3, method="spherical")),
        "ranking": text(np.array(model.rank_dimensions()[:10], np.float32)),
        "traverse": text(model.traverse(codes.mean[0], [2, 0], steps=3, span=2.0)),
        "manifold": text(model.manifold(steps=3, dimensions=[0, 1])),
        **{name: text(getattr(scores, name)) for name in ("elbo", "reconstruction", "kl", "iw_bound")},
    }


def text(array: NDArray[Any]) -> dict[str, Any]:
    """Encode an array as in ``golden.json``."""
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode(),
    }


def make_colour_bundle(target: Path, fields: dict[str, Any], epochs: int) -> None:
    """Train a tiny model of coloured squares, and export its portable graphs."""
    import cvae_export
    from cvae_train import Dataset, ModelConfig, TrainConfig, train

    rng = np.random.default_rng(11)
    images = np.zeros((300, 12, 16, 3), np.uint8)
    for image, (y, x) in zip(images, rng.integers(0, (7, 11), (300, 2)), strict=True):
        image[y : y + 5, x : x + 5] = rng.integers(64, 256, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "squares.npz"
        np.savez(path, x_train=images[:250], x_test=images[250:])
        model = ModelConfig(image_shape=(12, 16, 3), latent_dim=3, **fields)
        config = TrainConfig(model=model, epochs=epochs, batch_size=25, learning_rate=3e-3, binarize="none")
        dataset = Dataset(images[:250], images[250:], "coloured squares")
        with mock.patch.multiple("cvae_train._model.flow", **SMALL_FLOW):
            train(dataset, config, Path(folder) / "run", quiet=True)
            portable = cvae_export.ExportConfig(targets=("portable",))
            cvae_export.export(Path(folder) / "run", target, portable, data=str(path))


if __name__ == "__main__":
    for name, fields in MODELS.items():
        if not BUNDLES[name].exists():
            make_colour_bundle(BUNDLES[name], fields, EPOCHS.get(name, 2))
    numbers = {}
    for name, path in BUNDLES.items():
        with cvae.load(path, provider="cpu") as model:
            numbers[name] = numbers_of(model)
    cvae.files.write_file(GOLDEN / "runtime.json", (json.dumps(numbers, indent=1, allow_nan=False) + "\n").encode())

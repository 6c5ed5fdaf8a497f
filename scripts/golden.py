"""Write Python's results for the tests of other languages: python scripts/golden.py writes tests/golden/runtime.json.

The numbers are `cvae_runtime`'s for the bundle of the notebook's network and five tiny colour bundles. The script
trains those that are missing: ``tests/golden/mixture``, ``tests/golden/residual`` with a residual network that pads its
images, ``tests/golden/colour`` with the likelihood of earlier bundles, ``tests/golden/learned`` with a learned prior,
and ``tests/golden/labelled`` with labels and a learned prior. ``tests/golden/detector`` is the colour bundle with a
detector.
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
    "mnist": ROOT / "benchmarks" / "notebook" / "bundle",
    "colour": GOLDEN / "colour",
    "mixture": GOLDEN / "mixture",
    "residual": GOLDEN / "residual",
    "learned": GOLDEN / "learned",
    "labelled": GOLDEN / "labelled",
    "detector": GOLDEN / "detector",
}
MODELS = {
    "colour": {"filters": (4,), "likelihood": "discretized-logistic"},
    "mixture": {"filters": (4,), "likelihood": "discretized-logistic-mixture"},
    "residual": {"filters": (4, 4, 4), "likelihood": "discretized-logistic-mixture", "architecture": "residual"},
    "learned": {"filters": (4,), "likelihood": "discretized-logistic", "prior": "learned"},
    "labelled": {
        "filters": (4,),
        "likelihood": "discretized-logistic",
        "prior": "learned",
        "labels": ("square", "tall", "wide"),
    },
}
EPOCHS = {"learned": 40, "labelled": 40}  # by then the prior is no longer near N(0, I); 2 for the others
FORMS = {"square": (5, 5), "tall": (9, 3), "wide": (3, 9)}  # height and width by class; without labels all are squares
# The flow of a learned prior; a file of the usual size has half a megabyte.
SMALL_FLOW: dict[str, Any] = {"COUPLINGS": 3, "UNITS": 8}


_RANGE = {"seed": str((1 << 63) + 7), "first": str(1 << 40)}


def numbers_of(model: cvae.Model) -> dict[str, Any]:
    """Results of every method of a model, by method; seeds are strings, as in ``golden.json``."""
    samples = model.generate(4, seed=int(_RANGE["seed"]), first=int(_RANGE["first"]))
    images = cvae.to_uint8(samples)
    if model.manifest.detector is not None:
        return _detections_of(model, images)
    codes = model.encode(images)
    scores = model.score(images, samples=3, seed=5, first=2)
    return {
        **_RANGE,
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
        **{name: text(getattr(scores, name)) for name in _NATS},
        **({} if model.labels is None else _labelled_numbers_of(model, images)),
    }


_NATS = ("elbo", "reconstruction", "kl", "iw_bound")


def _labelled_numbers_of(model: cvae.Model, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Results with labels, of every method that takes them."""
    labels: list[str | int | None] = ["wide", None, 0, "tall"]
    two: list[str | int | None] = ["tall", 2]
    codes = model.encode(images, labels=labels)
    scores = model.score(images, samples=3, seed=5, first=2, labels=labels)
    numbers = {
        "generate": model.generate(4, seed=3, labels=labels),
        "cool": model.generate(2, seed=3, temperature=0.5, label="tall"),
        "latents": model.latents(4, seed=3, labels=labels),
        "mean": codes.mean,
        "logvar": codes.logvar,
        "decode": model.decode(codes.mean, label=2),
        "reconstruct": model.reconstruct(images[:2], labels=two),
        "drawn": model.reconstruct(images[:2], sample=True, seed=9, first=4, labels=two),
        "linear": model.interpolate(images[0], images[1], steps=3, label="wide"),
        "traverse": model.traverse(codes.mean[0], [2, 0], steps=3, span=2.0, label=1),
        "manifold": model.manifold(steps=3, dimensions=[0, 1], label="square"),
        **{name: getattr(scores, name) for name in _NATS},
        "restyle": model.restyle(images, ["wide", "tall", "square", "wide"]),
        "restyle_of": model.restyle(images, ["wide"], of=labels),
        "classify": model.classify(images, samples=3, seed=5, first=2),
    }
    return {f"labelled_{name}": text(array) for name, array in numbers.items()}


def _detections_of(model: cvae.Model, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Results of a detector for a sample, a scratched one, one with a strange pixel, and an inverted one."""
    images = images.copy()
    images[1, 3:8, 5:7] = 255 - images[1, 3:8, 5:7]
    images[2, 11, 15] = 255
    images[3] = 255 - images[3]
    found = model.detect(images)
    none = (-1, -1, -1, -1)
    return {
        **_RANGE,
        "images": text(images),
        "score": text(found.score),
        "p_value": text(found.p_value),
        "alarm": text(found.alarm.astype(np.float32)),
        "map": text(found.map),
        "boxes": text(np.array([box or none for box in found.boxes()], np.float32)),
    }


def text(array: NDArray[Any]) -> dict[str, Any]:
    """Encode an array as in ``golden.json``."""
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode(),
    }


def make_colour_bundle(target: Path, fields: dict[str, Any], epochs: int, **settings: Any) -> None:
    """Train a tiny model of coloured rectangles, and export its portable graphs, with other settings of the export."""
    import cvae_export
    from cvae_train import Dataset, Labels, ModelConfig, TrainConfig, train

    rng = np.random.default_rng(11)
    images = np.zeros((300, 12, 16, 3), np.uint8)
    classes = np.resize(fields.get("labels", ["square"]), 300).tolist()
    sizes = np.array([FORMS[name] for name in classes])
    for image, (y, x), (height, width) in zip(images, rng.integers(0, np.array((12, 16)) - sizes), sizes, strict=True):
        image[y : y + height, x : x + width] = rng.integers(64, 256, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "squares.npz"
        labels = {"y_train": classes[:250], "y_test": classes[250:]} if "labels" in fields else {}
        np.savez(path, x_train=images[:250], x_test=images[250:], **labels)
        model = ModelConfig(image_shape=(12, 16, 3), latent_dim=3, **fields)
        config = TrainConfig(model=model, epochs=epochs, batch_size=25, learning_rate=3e-3, binarize="none")
        named = Labels.of(*labels.values()) if labels else None
        dataset = Dataset(images[:250], images[250:], "coloured squares", labels=named)
        with mock.patch.multiple("cvae_train._model.flow", **SMALL_FLOW):
            train(dataset, config, Path(folder) / "run", quiet=True)
            portable = cvae_export.ExportConfig(targets=("portable",), **settings)
            cvae_export.export(Path(folder) / "run", target, portable, data=str(path))


def make_detector(target: Path) -> None:
    """Calibrate the colour bundle on its own samples."""
    import cvae_export

    with cvae.load(BUNDLES["colour"], provider="cpu") as model, tempfile.TemporaryDirectory() as folder:
        good = Path(folder) / "good.npy"
        np.save(good, model.generate(60, seed=3, dtype="uint8"))
        cvae_export.calibrate(BUNDLES["colour"], good, target, false_alarms=0.1, score="elbo", draws=2, quiet=True)


if __name__ == "__main__":
    for name, fields in MODELS.items():
        if not BUNDLES[name].exists():
            make_colour_bundle(BUNDLES[name], fields, EPOCHS.get(name, 2))
    if not BUNDLES["detector"].exists():
        make_detector(BUNDLES["detector"])
    numbers = {}
    for name, path in BUNDLES.items():
        with cvae.load(path, provider="cpu") as model:
            numbers[name] = numbers_of(model)
    cvae.files.write_file(GOLDEN / "runtime.json", (json.dumps(numbers, indent=1, allow_nan=False) + "\n").encode())

"""A model repository of the Hugging Face Hub: a bundle in ``onnx/``, a configuration, a model card and its picture."""

import json
from collections.abc import Iterable

import numpy as np

from .._bundle import MANIFEST_NAME, Bundle, Manifest, bundle_names
from .._images import encode_png, grid_scale, image_grid
from .._model import Model
from .card import model_card

_BUNDLE = "onnx"
_COLUMNS = 8
_ROWS = 4  # of samples; at most
_CLASSES = 10  # rows of a model with labels; at most


def huggingface_names(manifest: Manifest) -> Iterable[str]:
    """Return the paths of the files of a repository."""
    yield from ("README.md", "config.json", "samples.png")
    yield from (f"{_BUNDLE}/{name}" for name in bundle_names(manifest))


def huggingface_files(bundle: Bundle, license_id: str | None) -> dict[str, bytes]:
    """Return the files of a repository by path.

    Args:
        bundle: the bundle, whose folder's name becomes the name of the model.
        license_id: Hugging Face's identifier of the licence.
    """
    picture, shown = _samples(bundle)
    config = {"model_type": "cvae", **json.loads(bundle.manifest.to_json())["model"]}
    card = model_card(bundle.manifest, bundle.path.absolute().name, license_id, shown)
    contents = {**bundle.files, MANIFEST_NAME: bundle.text}
    return {
        "README.md": card.encode(),
        "config.json": (json.dumps(config, indent=2) + "\n").encode(),
        "samples.png": picture,
        **{f"{_BUNDLE}/{name}": data for name, data in contents.items()},
    }


def _samples(bundle: Bundle) -> tuple[bytes, str]:
    """Return a picture of samples of seed 0 as PNG, and a sentence that says what it shows."""
    labels = bundle.manifest.model.labels
    with Model(bundle, provider="cpu") as model:
        if labels is None:
            images = model.generate(_ROWS * _COLUMNS)
            shown = f"Samples 0 to {_ROWS * _COLUMNS - 1} of seed 0, not selected."
        else:
            chosen = labels[:_CLASSES]
            images = np.concatenate([model.generate(_COLUMNS, label=index) for index in range(len(chosen))])
            shown = f"Samples 0 to {_COLUMNS - 1} of seed 0, not selected. Each row is a class: {', '.join(chosen)}."
    grid = image_grid(images, _COLUMNS, scale=grid_scale(bundle.manifest.model.image_shape))
    return encode_png(grid), shown

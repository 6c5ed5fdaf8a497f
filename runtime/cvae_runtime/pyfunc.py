"""The loader of MLflow models that ``cvae-pack --layout mlflow`` writes; it does not import MLflow.

model = mlflow.pyfunc.load_model("my-mlflow-model")
images = model.predict(numpy.arange(16), params={"task": "generate", "seed": 7})
scores = model.predict(images_uint8, params={"task": "score"})["elbo"]
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import InputError
from ._model import Model, load

__all__ = ["PyfuncModel"]

# Parameters of `PyfuncModel.predict`: name, type, default and shape, as in an MLflow signature.
PARAMS: tuple[tuple[str, str, Any, list[int] | None], ...] = (
    ("task", "string", "generate", None),
    ("seed", "long", 0, None),
    ("temperature", "double", 1.0, None),
    ("samples", "long", 1, None),
    ("label", "string", None, None),
    ("labels", "string", [], [-1]),
)


class PyfuncModel:
    """A loaded bundle with the interface of ``mlflow.pyfunc``.

    Args:
        model: the model, from `load`.

    Examples:
        >>> from cvae_runtime import pyfunc
        >>> model = pyfunc.PyfuncModel(cvae.load())
        >>> images = model.predict(np.array([0, 1, 2, 40]), {"task": "generate", "seed": 7})
        >>> bool(np.abs(images[3] - cvae.load().generate(1, seed=7, first=40)[0]).max() < 1e-5)
        True
        >>> sorted(model.predict(cvae.to_uint8(images), {"task": "score"}))
        ['elbo', 'iw_bound']
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Run a task of the model.

        Args:
            data: an array, or what `numpy.asarray` converts to one, such as a DataFrame or nested lists. The default
                task "generate" takes indices of samples, (N,) or (N, 1). "decode" takes latents (N, L). All other
                tasks take N images of the model's size, raw pixels 0 to 255, or rows of H W C pixels.
            params: the "task", and the arguments of the method of `Model` with the same name: "seed", "temperature",
                "samples", "label" and "labels". Labels are names.

        Returns:
            "generate", "decode", "reconstruct": float32 (N, H, W, C), in [0, 1]. "encode": a dict of mean and logvar,
            float32 (N, L). "score": a dict of elbo and iw_bound, float64 (N,), in nats. "classify": float64
            (N, classes), probabilities.

        Raises:
            InputError: an unknown task, data that do not fit the task, or what the methods of `Model` raise.
            BundleError: the task needs a graph that the bundle lacks.
        """
        given = {name: default for name, _, default, _ in PARAMS} | dict(params or {})
        task, seed, samples = given["task"], given["seed"], given["samples"]
        array, model = np.asarray(data), self._model
        classes = {"label": given["label"], "labels": [str(label) for label in given["labels"]] or None}
        if task == "generate":
            return self._generate(array, seed=seed, temperature=given["temperature"], **classes)
        if task == "decode":
            return model.decode(array.astype(np.float32), **classes)
        images = {name: getattr(model, name) for name in ("encode", "reconstruct", "score", "classify")}
        if task not in images:
            raise InputError(f"task: expected one of generate, decode, {', '.join(images)}; found {task!r}")
        pixels = self._pixels(array)
        if task == "classify":
            return model.classify(pixels, samples=samples, seed=seed)
        if task == "reconstruct":
            return model.reconstruct(pixels, **classes)
        if task == "encode":
            posterior = model.encode(pixels, **classes)
            return {"mean": posterior.mean, "logvar": posterior.logvar}
        scores = model.score(pixels, samples=samples, seed=seed, **classes)
        return {"elbo": scores.elbo, "iw_bound": scores.iw_bound}

    def _generate(
        self, array: NDArray[Any], *, label: str | None, labels: list[str] | None, **settings: Any
    ) -> NDArray[np.float32]:
        if array.ndim == 2 and array.shape[1] == 1:  # a DataFrame of one column
            array = array[:, 0]
        if array.ndim != 1 or not array.size:
            raise InputError(f"generate: expected indices of samples, shape (N,), found shape {array.shape}")
        indices = _integers(array, "generate", "indices of samples", 2**63 - 1).astype(np.int64)
        if labels is not None and len(labels) != len(indices):
            raise InputError(f"labels: expected {len(indices):,}, one for each sample, found {len(labels):,}")
        # Consecutive samples in one call.
        runs = np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1)
        parts = [
            self._model.generate(
                len(run),
                first=int(indices[run[0]]),
                label=label,
                labels=None if labels is None else [labels[place] for place in run],
                **settings,
            )
            for run in runs
        ]
        return np.concatenate(parts)

    def _pixels(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Convert images of any numeric type, as JSON and DataFrames have them, to uint8 (N, H, W, C)."""
        shape = self._model.image_shape
        if array.ndim < 2 or not array.size or array[0].size != math.prod(shape):
            raise InputError(f"images: expected shape (N, {', '.join(map(str, shape))}), found {array.shape}")
        return _integers(array, "images", "whole numbers", 255).astype(np.uint8).reshape(-1, *shape)


def _integers(array: NDArray[Any], what: str, expected: str, most: int) -> NDArray[Any]:
    """Return an array whose values are integers from 0 to ``most``, whatever its type."""
    try:
        wrong = (array < 0) | (array > most) | (array % 1 != 0)
    except TypeError:  # of texts
        wrong = np.ones(1, bool)
    if wrong.any():
        raise InputError(f"{what}: expected {expected}, 0 to {most}, found others; convert them first")
    return array


def _load_pyfunc(path: str | Path, model_config: Mapping[str, Any] | None = None) -> PyfuncModel:
    """Load the bundle of an MLflow model; ``mlflow.pyfunc.load_model`` calls this.

    Args:
        path: the bundle's folder.
        model_config: arguments of `load`: ``provider``, ``precision`` and ``threads``.
    """
    return PyfuncModel(load(path, **(model_config or {})))

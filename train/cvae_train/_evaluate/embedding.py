"""Latents as points of a plane: PCA, and UMAP or t-SNE by a library where one is installed."""

import dataclasses
import importlib
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST = 20  # points; fewer have too few neighbours
_PERPLEXITY = 30.0  # of t-SNE, the default of its paper


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Points of a plane.

    Attributes:
        method: how they were computed.
        points: float (N, 2).
    """

    method: str
    points: NDArray[Any]


def embed(latents: NDArray[Any]) -> list[Embedding]:
    """Embed latents in a plane by PCA, and by neighbours where a library is installed.

    UMAP (McInnes, Healy and Melville, 2018) by umap-learn takes precedence over t-SNE (van der Maaten and Hinton, 2008)
    by scikit-learn. Latents of one or two dimensions stay as they are.

    Args:
        latents: float (N, L), N and L at least 1.
    """
    x = latents.astype(np.float64)
    if x.shape[1] <= 2:
        return [Embedding("latent dimensions", np.pad(x, ((0, 0), (0, 2 - x.shape[1]))))]
    by_neighbours = _by_neighbours(x)
    return [_pca(x), *([] if by_neighbours is None else [by_neighbours])]


def _pca(x: NDArray[np.float64]) -> Embedding:
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    chosen = vectors[:, :-3:-1]
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), (0, 1)])  # an eigenvector has no sign of its own
    total = values.sum()
    share = values[-2:].sum() / total if total > 0 else 1.0
    return Embedding(f"PCA, {share:.0%} of the variance", centred @ chosen)


def _by_neighbours(x: NDArray[np.float64]) -> Embedding | None:
    if len(x) < _FEWEST:
        return None
    if find_spec("umap") is not None:
        umap = importlib.import_module("umap")
        # One job: several are not reproducible, and umap-learn warns that a seed excludes them.
        return Embedding("UMAP", umap.UMAP(n_components=2, random_state=0, n_jobs=1).fit_transform(x))
    if find_spec("sklearn") is not None:
        manifold = importlib.import_module("sklearn.manifold")
        perplexity = min(_PERPLEXITY, (len(x) - 1) / 3)
        return Embedding("t-SNE", manifold.TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(x))
    return None

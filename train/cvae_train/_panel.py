"""Evaluation panel: one image with samples, reconstructions, ELBO curve, traversals, KL per dimension and figures."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import image_grid, prior_latents, to_uint8
from cvae_runtime.images import evenly_spaced

from ._evaluate import Evaluation
from ._model import CVAE, preprocess
from ._run import EpochRecord, draw, draw_elbo_curve

PAIRS = 10  # images with their reconstructions
SAMPLES = (5, 10)  # rows and columns
TRAVERSED, STEPS, REACH = 5, 10, 3.0  # dimensions, images per dimension, standard deviations to either side
MANIFOLD = 20  # images per side, at the prior's 5 to 95 % quantiles


def draw_panel(
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    history: Sequence[EpochRecord],
    epoch: int,
    evaluation: Evaluation,
) -> bytes:
    """Draw the panel as PNG; with two latent dimensions it shows the manifold instead of traversals.

    ``epoch`` is the one whose weights the model has.
    """
    return draw(
        (12.0, 7.2),
        lambda figure: _paint(figure.subplots(2, 3), model, images, binarize_at, history, epoch, evaluation),
    )


def _paint(
    axes: Any,
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    history: Sequence[EpochRecord],
    epoch: int,
    evaluation: Evaluation,
) -> None:
    rows, columns = SAMPLES
    latents = prior_latents(0, 0, rows * columns, model.config.latent_dim)
    _show(axes[0, 0], model.sample(latents).numpy(), columns, "samples")
    x = preprocess(images[evenly_spaced(len(images), PAIRS)], binarize_at).numpy()
    _show(axes[0, 1], np.concatenate([x, _reconstruct(model, x)]), len(x), "reconstructions")
    draw_elbo_curve(axes[0, 2], history, epoch)
    if model.config.latent_dim == 2:
        _show(axes[1, 0], model.sample(manifold_latents()).numpy(), MANIFOLD, "manifold, 5 to 95 % quantiles")
    else:
        latents = traversal_latents(model.encode(x[:1])[0].numpy()[0], evaluation.kl_per_dimension)
        title = f"{TRAVERSED} latent dimensions from -{REACH:g} to {REACH:g}"
        _show(axes[1, 0], model.decode(latents, apply_sigmoid=True).numpy(), STEPS, title)
    _draw_kl(axes[1, 1], evaluation)
    axes[1, 2].axis("off")
    text = "\n".join([*evaluation.comparison(), "", evaluation.table()]).lstrip()
    axes[1, 2].text(0.0, 1.0, text, family="monospace", fontsize=6, va="top", wrap=True)


def traversal_latents(start: NDArray[np.float32], kl_per_dimension: Sequence[float]) -> NDArray[np.float32]:
    """Vary the dimensions of highest KL one at a time, from one latent (L,): (dimensions * STEPS, L)."""
    by_kl = np.argsort(kl_per_dimension)[::-1][:TRAVERSED]
    latents = np.tile(start, (len(by_kl), STEPS, 1))
    for row, dimension in enumerate(by_kl):
        latents[row, :, dimension] = np.linspace(-REACH, REACH, STEPS)
    return latents.reshape(-1, len(start))


def manifold_latents() -> NDArray[np.float32]:
    """Grid of two-dimensional latents at the prior's 5 to 95 % quantiles, row by row from the top: (400, 2)."""
    quantiles = [NormalDist().inv_cdf(p) for p in np.linspace(0.05, 0.95, MANIFOLD)]
    across, down = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([across, down], axis=-1).reshape(-1, 2).astype(np.float32)


def _reconstruct(model: CVAE, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return model.decode(model.encode(x)[0], apply_sigmoid=True).numpy()


def _draw_kl(axes: Any, evaluation: Evaluation) -> None:
    values = sorted(evaluation.kl_per_dimension, reverse=True)
    axes.bar(range(1, len(values) + 1), values, color="tab:blue")
    axes.set(xlabel="latent dimension, highest KL first", ylabel="KL (nats)")
    active = evaluation.active_units
    axes.set_title("KL of each dimension" if active is None else f"{active} of {len(values)} dimensions are active")


def _show(axes: Any, images: NDArray[np.float32], columns: int, title: str) -> None:
    axes.imshow(image_grid(to_uint8(images), columns).squeeze(), cmap="gray", vmin=0, vmax=255)
    axes.set_title(title)
    axes.axis("off")

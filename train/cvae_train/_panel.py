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
MOST_CLASSES = 10  # rows of samples of a model with labels
TRAVERSED, STEPS, REACH = 5, 10, 3.0  # dimensions, images per dimension, standard deviations to either side
MANIFOLD = 20  # images per side, at the prior's 5 to 95 % quantiles


def draw_panel(
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    history: Sequence[EpochRecord],
    epoch: int,
    evaluation: Evaluation,
    labels: NDArray[np.int64] | None = None,
) -> bytes:
    """Draw the panel as PNG; with two latent dimensions it shows the manifold instead of traversals.

    Args:
        model: the trained network. With labels, the panel shows a row of samples for each class, with the same noise.
        images: the test images, uint8 (N, H, W, C).
        binarize_at, history: of the run.
        epoch: the one whose weights the model has.
        evaluation: the figures.
        labels: class of each image, (N,), for a model with labels.
    """
    return draw(
        (12.0, 7.2),
        lambda figure: _paint(figure.subplots(2, 3), model, images, binarize_at, history, epoch, evaluation, labels),
    )


def _paint(
    axes: Any,
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    history: Sequence[EpochRecord],
    epoch: int,
    evaluation: Evaluation,
    labels: NDArray[np.int64] | None,
) -> None:
    _draw_samples(axes[0, 0], model)
    chosen = evenly_spaced(len(images), PAIRS)
    x, classes = preprocess(images[chosen], binarize_at).numpy(), None if labels is None else labels[chosen]
    pairs = np.concatenate([x, _reconstruct(model, x, classes)])
    _show(axes[0, 1], pairs, len(x), "reconstructions")
    draw_elbo_curve(axes[0, 2], history, epoch)
    if model.config.latent_dim == 2:
        _show(axes[1, 0], model.sample(manifold_latents()).numpy(), MANIFOLD, "manifold, 5 to 95 % quantiles")
    else:
        first = None if classes is None else classes[:1]
        latents = traversal_latents(model.encode(x[:1], first)[0].numpy()[0], evaluation.kl_per_dimension)
        of_first = None if first is None else first.repeat(len(latents))
        title = f"{TRAVERSED} latent dimensions from -{REACH:g} to {REACH:g}"
        _show(axes[1, 0], model.decode(latents, of_first, apply_sigmoid=True).numpy(), STEPS, title)
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


def _draw_samples(axes: Any, model: CVAE) -> None:
    rows, columns = SAMPLES
    if not (names := model.config.labels):
        latents = prior_latents(0, 0, rows * columns, model.config.latent_dim)
        _show(axes, model.sample(latents).numpy(), columns, "samples")
        return
    shown = evenly_spaced(len(names), MOST_CLASSES)
    noise = np.tile(prior_latents(0, 0, columns, model.config.latent_dim), (len(shown), 1))
    some = "each class" if len(shown) == len(names) else f"{len(shown)} of {len(names):,} classes"
    _show(axes, model.sample(noise, shown.repeat(columns)).numpy(), columns, f"samples: a row for {some}")


def _reconstruct(model: CVAE, x: NDArray[np.float32], labels: NDArray[np.int64] | None) -> NDArray[np.float32]:
    return model.decode(model.encode(x, labels)[0], labels, apply_sigmoid=True).numpy()


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

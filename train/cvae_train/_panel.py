"""Evaluation panel: one image with samples, reconstructions, ELBO curve, traversals, KL per dimension and figures.

With class labels, it also shows the latents of the test images, coloured by class.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import image_grid, prior_latents, to_uint8
from cvae_runtime.images import evenly_spaced

from ._data import Labels
from ._evaluate import LISTED, Evaluation, embed, shortened
from ._model import CVAE, preprocess
from ._run import EpochRecord, draw, draw_elbo_curve

PAIRS = 10  # images with their reconstructions
SAMPLES = (5, 10)  # rows and columns
MOST_CLASSES = 10  # rows of samples of a model with labels
TRAVERSED, STEPS, REACH = 5, 10, 3.0  # dimensions, images per dimension, standard deviations to either side
MANIFOLD = 20  # images per side, at the prior's 5 to 95% quantiles
PLOTTED = 2_000  # latents, evenly spaced; more hide each other
_TITLE = 10  # points; larger titles touch each other
_COLOURS = 10  # of Matplotlib; further classes have another marker
_BATCH = 500  # images to encode at a time, to limit the memory


def draw_panel(
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    history: Sequence[EpochRecord],
    epoch: int,
    evaluation: Evaluation,
    labels: Labels | None = None,
) -> bytes:
    """Draw the panel as PNG; with two latent dimensions it shows the manifold instead of traversals.

    Args:
        model: the trained network. With labels, the panel shows a row of samples for each class, with the same noise.
        images: the test images, uint8 (N, H, W, C).
        binarize_at, history: of the run.
        epoch: the one whose weights the model has.
        evaluation: the figures.
        labels: the classes of the test images, which a model with labels needs; None: no latents by class.
    """

    def paint(figure: Any) -> None:
        axes = figure.subplots(2, columns)
        given = labels.test if labels is not None and model.config.labels else None
        _paint(axes, model, images, binarize_at, history, epoch, evaluation, given)
        if labels is not None:
            _draw_latents(axes[:, 3], model, images, binarize_at, labels, evaluation)
        for axis in axes.flat:
            axis.title.set_fontsize(_TITLE)

    columns = 3 if labels is None else 4
    return draw((4.0 * columns, 7.2), paint)


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
    _show(axes[0, 1], pairs, len(x), f"reconstructions{evaluation.given}")
    draw_elbo_curve(axes[0, 2], history, epoch, given_label=bool(evaluation.given))
    if model.config.latent_dim == 2:
        _show(axes[1, 0], model.sample(manifold_latents()).numpy(), MANIFOLD, "manifold, 5 to 95% quantiles")
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
    """Grid of two-dimensional latents at the prior's 5 to 95% quantiles, row by row from the top: (400, 2)."""
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
    what = "KL of each dimension" if active is None else f"{active} of {len(values)} dimensions are active"
    axes.set_title(f"{what}{evaluation.given}")


def _draw_latents(
    axes: Any,
    model: CVAE,
    images: NDArray[np.uint8],
    binarize_at: int | None,
    labels: Labels,
    evaluation: Evaluation,
) -> None:
    """Draw the posterior means of test images without a label, by class, and below them the ELBO of each class.

    Where a library for it is installed, a second embedding of the means replaces the ELBOs.
    """
    rows = evenly_spaced(len(images), PLOTTED)
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    means = np.concatenate([model.encode(preprocess(images[batch], binarize_at))[0].numpy() for batch in batches])
    embeddings = embed(means)
    for axis, embedding in zip(axes, embeddings, strict=False):
        _draw_classes(axis, embedding.points, labels.test[rows], labels.names)
        axis.set_title(f"latents{' without the label' if evaluation.given else ''}: {embedding.method}")
    if len(embeddings) == 1:
        _draw_elbo_by_class(axes[1], evaluation)


def _draw_classes(axes: Any, points: NDArray[Any], classes: NDArray[np.int64], names: Sequence[str]) -> None:
    axes.set(xticks=[], yticks=[])
    if len(names) > LISTED:
        axes.scatter(*points.T, c=classes, cmap="turbo", s=3)
        return
    for index, name in enumerate(names):
        style = f"C{index % _COLOURS}{'.' if index < _COLOURS else '+'}"
        axes.plot(*points[classes == index].T, style, markersize=2.5, label=shortened(name))
    axes.legend(fontsize=6, markerscale=3, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def _draw_elbo_by_class(axes: Any, evaluation: Evaluation) -> None:
    shown = evaluation.per_class[:LISTED]
    axes.barh(range(len(shown)), [each.elbo for each in shown], color="tab:blue")
    axes.set_yticks(range(len(shown)), [shortened(each.name) for each in shown], fontsize=6)
    axes.invert_yaxis()
    axes.set(xlabel="ELBO (nats per image)", title=f"ELBO of each class{evaluation.given}")
    if len(shown) < len(evaluation.per_class):
        axes.set_ylabel(f"{len(shown)} of {len(evaluation.per_class):,} classes")


def _show(axes: Any, images: NDArray[np.float32], columns: int, title: str) -> None:
    axes.imshow(image_grid(to_uint8(images), columns).squeeze(), cmap="gray", vmin=0, vmax=255)
    axes.set_title(title)
    axes.axis("off")

"""Figures of each class of the test images, and how often a model with labels finds the class of an image."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import Scores

LISTED = 20  # classes in a table
CLASSIFY_DRAWS = 10  # per image and class
_CLASSIFIED = 10_000  # images times classes, to limit the time
_LONGEST = 24  # characters of a name in a table


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """Means over the test images of a class, in nats per image.

    Attributes:
        name: name of the class.
        images: number of test images.
        elbo, kl: the ELBO, given the class for a model with labels, and its KL.
    """

    name: str
    images: int
    elbo: float
    kl: float


@dataclasses.dataclass(frozen=True)
class Classification:
    """How often the most probable class of a test image is its own; see `cvae_runtime.Model.classify`.

    Attributes:
        accuracy: share of the images.
        images: number of test images, evenly spaced.
        draws: draws from q(z|x, label) per image and class.
    """

    accuracy: float
    images: int
    draws: int


def figures_by_class(scores: Scores, names: Sequence[str], labels: NDArray[np.int64]) -> list[ClassFigures]:
    """Average the scores of the images of each class; classes without images are left out.

    Args:
        scores: of N images.
        names: names of the classes.
        labels: class of each image, (N,).
    """
    members = [np.flatnonzero(labels == index) for index in range(len(names))]
    return [
        ClassFigures(name, len(rows), float(scores.elbo[rows].mean()), float(scores.kl[rows].mean()))
        for name, rows in zip(names, members, strict=True)
        if len(rows)
    ]


def class_table(classes: Sequence[ClassFigures], *, given: bool) -> list[str]:
    """Format the figures as the lines of a text table; none without classes.

    Args:
        classes: the figures.
        given: whether they are given the class.
    """
    if not classes:
        return []
    elbo = "ELBO given the label" if given else "ELBO"
    lines = [f"{'class':{_LONGEST}}  {'images':>8}  {elbo:>20}  {'KL':>8}"]
    lines += [
        f"{shortened(each.name):{_LONGEST}}  {each.images:8,}  {each.elbo:20.2f}  {each.kl:8.2f}"
        for each in classes[:LISTED]
    ]
    if len(classes) > LISTED:
        lines.append(f"and {len(classes) - LISTED:,} more, in evaluation.json")
    return lines


def shortened(name: str) -> str:
    """Return a name of a class with at most 24 characters."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def classified_images(images: int, classes: int) -> int:
    """Return how many test images are classified: fewer with more classes, since each class scores each image."""
    return min(images, max(1, _CLASSIFIED // classes))


def classify(bound: Callable[[int], NDArray[np.float64]], labels: NDArray[np.int64], classes: int) -> Classification:
    """Classify images by the class with the highest bound: by Bayes' rule with equally probable classes.

    Args:
        bound: function from a class to the importance-weighted bound on log p(x | class) of each image, (N,), over
            `CLASSIFY_DRAWS` draws.
        labels: class of each image, (N,).
        classes: number of classes.
    """
    found = np.stack([bound(index) for index in range(classes)], axis=1).argmax(axis=1)
    return Classification(float((found == labels).mean()), len(labels), CLASSIFY_DRAWS)

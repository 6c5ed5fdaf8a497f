"""Classes of images, as callers name them, converted to the graphs' input ``label``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import ModelInfo
from .._check import is_int
from .._errors import InputError

Label = str | int
"""A class: its name, or its index."""

_LISTED = 10  # names in an error


def label_array(
    model: ModelInfo,
    count: int,
    label: Label | None = None,
    labels: Sequence[Label | None] | None = None,
    *,
    name: str = "labels",
) -> NDArray[np.int64] | None:
    """Return the classes of ``count`` items as indices; None for a model without labels.

    Args:
        model: the model's entry of the manifest.
        count: number of items.
        label: the class of all items. Default: none, which a model with labels takes as "no label".
        labels: the class of each item, instead of one for all.
        name: the caller's argument ``labels``, for messages.

    Returns:
        int64 (count,); the number of classes stands for "no label".

    Raises:
        InputError: both arguments are given, the model has no labels, or a class or the number of classes is wrong.
    """
    if label is not None and labels is not None:
        raise InputError("label and labels both choose the classes: give one of them")
    names = model.labels
    if names is None:
        if label is None and labels is None:
            return None
        raise InputError("the model has no labels: leave label and labels out, or train one with cvae-train --labels")
    if labels is None:
        return np.full(count, index_of(names, label), np.int64)
    if not is_list(labels) or len(labels) != count:
        found = f"a list of {len(labels):,}" if is_list(labels) else f"{labels!r:.60}"
        raise InputError(
            f"{name}: expected a list of {count:,} classes, one for each item, found {found}; pass one for each"
        )
    return np.array([index_of(names, one, f"{name}[{n}]") for n, one in enumerate(labels)], np.int64)


def is_list(labels: Any) -> bool:
    """Return whether an argument is a list of classes, not a single one: a sequence, or an array of one dimension."""
    if isinstance(labels, np.ndarray):
        return labels.ndim == 1
    return isinstance(labels, Sequence) and not isinstance(labels, str | bytes)


def class_names(model: ModelInfo) -> tuple[str, ...]:
    """Return the names of a model's classes.

    Raises:
        InputError: the model has no labels.
    """
    if model.labels is None:
        raise InputError("expected a model with labels, found one without; train one with cvae-train --labels")
    return model.labels


def index_of(names: Sequence[str], label: Label | None, argument: str = "label") -> int:
    """Return the index of a class, given its name or index; the number of classes for None.

    ``argument`` is the place of the class in messages.

    Raises:
        InputError: there is no such class.
    """
    if label is None:
        return len(names)
    if isinstance(label, str):
        if label in names:
            return names.index(label)
        more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        raise InputError(f"{argument} must be one of {', '.join(names[:_LISTED])}{more}; found {label!r}")
    if not is_int(label) or not 0 <= label < len(names):
        raise InputError(f"{argument} must be a name, or an index from 0 to {len(names) - 1}; found {label!r}")
    return int(label)

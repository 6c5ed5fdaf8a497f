"""The images of a task, by part: for training, held back for calibration, and for testing."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cvae_train
from cvae_runtime import InputError

from ._tasks import EVERYTHING, TEXTURES, Task
from ._textures import scratched, textures

HELD_BACK = 6  # every sixth training image is kept from the training
_TEXTURES = (2_000, 400, 200, 200)  # of each part

Images = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Parts:
    """Images of a model, uint8 (N, H, W, C).

    Attributes:
        train: good images to train on.
        held_back: good images of the training part that no training sees.
        test: good images of the test part.
        outliers: bad images, of test parts alone.
        boxes: the boxes around the defects of the outliers, int64 (N, 4): top, left, bottom, right. None: unknown.
    """

    train: Images
    held_back: Images
    test: Images
    outliers: Images
    boxes: NDArray[np.int64] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The number of images of each part."""
        return {name: len(getattr(self, name)) for name in ("train", "held_back", "test", "outliers")}


def parts_of(task: Task, good_class: str, sets: Mapping[str, Path], most: int | None = None) -> Parts:
    """Divide the images of a task.

    Args:
        task: the task.
        good_class: the class of the good images; `EVERYTHING`: all.
        sets: where the sets are, by name.
        most: the largest number of images of a part; None: all.

    Raises:
        InputError: a set cannot be read, or has no labels, or not the class.
    """
    if task.good == TEXTURES:
        drawn = [textures(count, seed)[:most] for seed, count in enumerate(_TEXTURES)]
        return Parts(*drawn[:3], *scratched(drawn[3], seed=len(drawn)))
    good = _load(task.good, sets)
    if good_class == EVERYTHING:
        train, test = good.train, good.test
        outliers = _load(task.outliers, sets).test
        if outliers.shape[1:] != good.image_shape:
            raise InputError(
                f"{sets[task.outliers]}: expected outliers of the shape {good.image_shape}, found {outliers.shape[1:]}; "
                f"use sets of one shape"
            )
    else:
        if good.labels is None:
            raise InputError(
                f"{sets[task.good]}: expected the classes of the images, found none; add the files of labels"
            )
        if good_class not in good.labels.names:
            raise InputError(
                f"{sets[task.good]}: expected images of the class {good_class}, found {', '.join(good.labels.names)}; "
                f"use the set {task.good}"
            )
        number = good.labels.names.index(good_class)
        train, test = good.train[good.labels.train == number], good.test[good.labels.test == number]
        outliers = good.test[good.labels.test != number]
    back = np.arange(len(train)) % HELD_BACK == HELD_BACK - 1
    parts = (train[~back], train[back], test, outliers)
    return Parts(*(part[:most] for part in parts))


def _load(name: str, sets: Mapping[str, Path]) -> cvae_train.Dataset:
    if name not in sets:
        raise InputError(f"{name}: expected the folder of this set, found none; pass --{name} FOLDER")
    return cvae_train.load_data(sets[name], quiet=True)

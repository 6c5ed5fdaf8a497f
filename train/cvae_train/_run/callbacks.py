"""What else may listen to a run: trackers such as TensorBoard, MLflow or Weights & Biases, or code of one's own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._config import TrainConfig
from .folder import RunFolder
from .history import EpochRecord

if TYPE_CHECKING:
    from .result import RunResult


class Callback:
    """Is told of a run's progress; override what you want to know.

    What a callback raises ends the run, like Ctrl-C: the last whole epoch is kept. In a cluster the first worker's
    callbacks are called.
    """

    def begin(self, folder: RunFolder, config: TrainConfig, history: Sequence[EpochRecord]) -> None:
        """The run begins, or goes on after the epochs in ``history``."""

    def epoch(self, record: EpochRecord, samples: NDArray[np.float32]) -> None:
        """An epoch is whole and saved; ``samples`` (16, H, W, C), in [0, 1], are of the same latents each time."""

    def end(self, result: "RunResult") -> None:
        """The run is finished."""

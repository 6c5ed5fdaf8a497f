"""Base class of training callbacks, for TensorBoard, MLflow, Weights & Biases and the like."""

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
    """Hooks into a training run; override the ones you need.

    An exception in a callback ends the run like Ctrl-C: the last complete epoch is kept. In a cluster, only the first
    worker calls its callbacks.

    Examples:
        >>> class Print(cvae_train.Callback):
        ...     def on_epoch_end(self, record, samples):
        ...         print(record.epoch, samples.shape)
        >>> recipe = cvae_train.read_config(Path("runs/0001/config.json"))
        >>> result = cvae_train.train("images.npz", recipe, callbacks=[Print()], quiet=True)
        1 (16, 8, 8, 1)
        2 (16, 8, 8, 1)
    """

    def on_train_begin(self, folder: RunFolder, config: TrainConfig, history: Sequence[EpochRecord]) -> None:
        """Called when the run starts, or resumes after the epochs in ``history``."""

    def on_epoch_end(self, record: EpochRecord, samples: NDArray[np.float32]) -> None:
        """Called after each epoch, once it is saved.

        Args:
            record: figures of the epoch.
            samples: float32 (16, H, W, C) in [0, 1], decoded from the same latents after each epoch.
        """

    def on_train_end(self, result: "RunResult") -> None:
        """Called when the run is finished."""

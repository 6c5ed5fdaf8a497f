"""A finished run in Python."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvae_runtime import InputError

from .._config import TrainConfig
from .folder import RunFolder
from .history import EpochRecord, collapse_warning, kept_epoch

if TYPE_CHECKING:
    from .._model import CVAE


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        path: the run folder.
        config: the recipe.
        history: one record per epoch.
        model: the trained network.
    """

    path: Path
    config: TrainConfig
    history: Sequence[EpochRecord]
    model: "CVAE"

    @property
    def kept(self) -> EpochRecord:
        """Record of the epoch whose weights the model has; the last one unless training stopped early."""
        return self.history[kept_epoch(self.history, self.config.patience) - 1]

    @property
    def warnings(self) -> list[str]:
        """Warnings about the model; `Evaluation.warnings` checks more closely."""
        warning = collapse_warning(self.kept.kl)
        return [] if warning is None else [warning]

    def image(self, epoch: int) -> Any:
        """Open the samples drawn after an epoch as a PIL image, which a notebook displays; 0 is before training.

        Raises:
            InputError: the run has no such epoch.
        """
        from PIL import Image

        if not 0 <= epoch <= len(self.history):
            raise InputError(f"epoch must be 0 to {len(self.history)}; found {epoch}")
        with Image.open(RunFolder(self.path).sample(epoch)) as picture:
            return picture.copy()

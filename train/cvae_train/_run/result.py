"""What a finished run is, in Python."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvae_runtime import InputError

from .._config import TrainConfig
from .folder import RunFolder
from .history import EpochRecord, collapse, kept_epoch

if TYPE_CHECKING:
    from .._model import CVAE


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        path: its folder.
        config: its recipe.
        history: a record an epoch.
        model: the trained network.
    """

    path: Path
    config: TrainConfig
    history: Sequence[EpochRecord]
    model: "CVAE"

    @property
    def kept(self) -> EpochRecord:
        """The record of the epoch whose weights the model has: the last one, but for early stopping."""
        return self.history[kept_epoch(self.history, self.config.patience) - 1]

    @property
    def warnings(self) -> list[str]:
        """What a reader should know before trusting the model; `Evaluation.warnings` looks closer."""
        warning = collapse(self.kept.kl)
        return [] if warning is None else [warning]

    def image(self, epoch: int) -> Any:
        """The samples drawn after an epoch (0: before training), as a PIL image; a notebook shows it.

        Raises:
            InputError: the run has no such epoch.
        """
        from PIL import Image

        if not 0 <= epoch <= len(self.history):
            raise InputError(f"epoch must be 0 to {len(self.history)}; found {epoch}")
        with Image.open(RunFolder(self.path).sample(epoch)) as picture:
            return picture.copy()

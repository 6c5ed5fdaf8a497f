"""A run in Python."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvae_runtime import InputError

from .._config import TrainConfig
from .folder import RunFolder
from .history import EpochRecord, best_epoch, collapse_warning, overfitting_warning

if TYPE_CHECKING:
    from .._model import CVAE


@dataclasses.dataclass(frozen=True, repr=False)
class RunResult:
    """A run and one of its models.

    Attributes:
        path: the run folder.
        config: the recipe.
        history: one record per epoch.
        model: the trained network.
        epoch: the epoch whose weights the model has, counted from 1. That is the epoch of best validation ELBO if
            there is a validation set, otherwise the last.

    Examples:
        >>> result = cvae_train.load_run("runs/0001")
        >>> result.describe_epoch(), result.image(epoch=2).mode
        ('epoch 2', 'L')
    """

    path: Path
    config: TrainConfig
    history: Sequence[EpochRecord]
    model: "CVAE"
    epoch: int

    @property
    def kept(self) -> EpochRecord:
        """Record of the epoch whose weights the model has."""
        return self.history[self.epoch - 1]

    def __repr__(self) -> str:
        """Describe run, model and figures in a small table."""
        (height, width, channels), kept = self.config.model.image_shape, self.kept
        bits = self.config.model.bits_per_dimension(kept.elbo)
        rows = [
            ("run", str(self.path)),
            ("model", f"{height}x{width}x{channels}, {self.config.model.latent_dim} latent dimensions"),
            ("weights", self.describe_epoch()),
            ("test ELBO", f"{kept.elbo:.2f} nats per image{', given the label' if self.config.model.labels else ''}"),
            *([] if bits is None else [("", f"{bits:.3f} bits per dimension")]),
            ("reconstruction", f"{kept.reconstruction:.2f}"),
            ("KL", f"{kept.kl:.2f}"),
            ("train ELBO", f"{kept.train_elbo:.2f}"),
        ]
        if kept.validation_elbo is not None:
            rows.append(("validation ELBO", f"{kept.validation_elbo:.2f}"))
        rows += [("warning", warning) for warning in self.warnings]
        return "\n".join(["RunResult", *(f"  {name:17}{value}" for name, value in rows)])

    def describe_epoch(self) -> str:
        """Describe the epoch whose weights the model has, such as "epoch 7 of 12 (best validation ELBO)"."""
        last = len(self.history)
        of = "" if self.epoch == last and self.kept.validation_elbo is None else f" of {last}"
        return f"epoch {self.epoch}{of}{' (best validation ELBO)' if self.epoch == best_epoch(self.history) else ''}"

    def to_json(self) -> dict[str, Any]:
        """Convert the figures to plain JSON values, as ``cvae-train --json`` prints them."""
        return {
            "run": str(self.path),
            "epochs": len(self.history),
            "best_epoch": best_epoch(self.history),
            **dataclasses.asdict(self.kept),
            "bits_per_dimension": self.config.model.bits_per_dimension(self.kept.elbo),
            **({"given_classes": len(labels)} if (labels := self.config.model.labels) else {}),
            "warnings": self.warnings,
        }

    @property
    def warnings(self) -> list[str]:
        """Warnings about the model: overfitting and posterior collapse; `Evaluation.warnings` checks more closely."""
        found = (overfitting_warning(self.history, self.epoch), collapse_warning(self.kept.kl))
        return [warning for warning in found if warning is not None]

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

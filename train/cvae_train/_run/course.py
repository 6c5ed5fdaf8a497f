"""Course of a run beyond its recipe: the weights it started from, its continuations, and the epoch that it keeps."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from cvae_runtime import InputError

from .history import EpochRecord, best_epoch

Checkpoint = Literal["best", "last"]
"""Weights of a run: those of the epoch of best validation ELBO, or of the last complete epoch.

Examples:
    >>> checkpoint: cvae_train.Checkpoint = "last"
    >>> cvae_train.load_run("runs/0001", checkpoint).epoch
    2
"""
Part = Literal["encoder", "decoder"]


@dataclasses.dataclass(frozen=True)
class Start:
    """The weights that a run started from.

    Attributes:
        run: name of the folder of the run that they are from.
        epoch: epoch of that run, counted from 1.
        weights_sha256: SHA-256 of the file that they were read from, in hex.
        taken: names of the layers that were taken; the others were initialized at random.

    Examples:
        >>> start = cvae_train.Start(run="0001", epoch=2, weights_sha256=64 * "0", taken=("encoder", "decoder"))
        >>> cvae_train.Course(start=start).to_json()["start"]["run"]
        '0001'
    """

    run: str
    epoch: int
    weights_sha256: str
    taken: tuple[str, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Convert from JSON values."""
        return cls(**{**fields, "taken": tuple(fields["taken"])})


@dataclasses.dataclass(frozen=True)
class Course:
    """Course of a run, as recorded in ``config.json``.

    Attributes:
        keeps_best: keep the weights of the epoch of best validation ELBO if there is a validation set. False in older
            runs without early stopping, which keep the last.
        continued_after: numbers of complete epochs at which the finished run was continued with more.
        start: the weights that the run started from; None if they were initialized at random.
        freeze: the part of the model that is not trained; None if both are.

    Examples:
        >>> cvae_train.RunFolder(Path("runs/0001")).read_course()
        Course(keeps_best=True, continued_after=(), start=None, freeze=None)
    """

    keeps_best: bool = True
    continued_after: tuple[int, ...] = ()
    start: Start | None = None
    freeze: Part | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], source: str) -> Self:
        """Convert from the content of a ``config.json``; ``source`` is for error messages.

        Raises:
            InputError: a field has the wrong type.
        """
        try:
            legacy = "best" if fields["config"].get("patience") else "last"
            start = fields.get("start")
            return cls(
                fields.get("keeps", legacy) == "best",
                tuple(int(epoch) for epoch in fields.get("continued_after", [])),
                None if start is None else Start.from_json(start),
                fields.get("freeze"),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{source}: expected keeps, continued_after and start as cvae-train writes them, found {error!r}; "
                f"restore the file, or start again with --overwrite"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values, the fields of ``config.json``."""
        fields: dict[str, Any] = {"keeps": "best" if self.keeps_best else "last"}
        if self.continued_after:
            fields["continued_after"] = list(self.continued_after)
        if self.start is not None:
            fields["start"] = {**dataclasses.asdict(self.start), "taken": list(self.start.taken)}
        if self.freeze is not None:
            fields["freeze"] = self.freeze
        return fields

    @property
    def begun_after(self) -> int:
        """Number of complete epochs at the last continuation; 0 without one."""
        return self.continued_after[-1] if self.continued_after else 0

    def has_best(self, history: Sequence[EpochRecord]) -> bool:
        """Whether the run keeps the weights of its best epoch."""
        return self.keeps_best and best_epoch(history) is not None

    def kept_epoch(self, history: Sequence[EpochRecord]) -> int:
        """Epoch whose weights the run keeps: that of best validation ELBO, or the last."""
        best = best_epoch(history) if self.keeps_best else None
        return len(history) if best is None else best

    def stops_early(self, history: Sequence[EpochRecord], patience: int) -> bool:
        """Whether early stopping ends the run here; see `TrainConfig.patience`. Added epochs count from their start."""
        return bool(patience) and len(history) - max(self.kept_epoch(history), self.begun_after) >= patience

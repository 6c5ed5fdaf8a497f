"""What a run measures each epoch, and ``history.csv``."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.files import write_file


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One epoch's figures.

    Attributes:
        epoch: from 1.
        elbo: reconstruction - kl.
        reconstruction: log p(x|z), one draw an image, mean over the test set, in nats per image.
        kl: KL(q(z|x) || N(0, I)), mean over the test set, in nats per image.
        train_elbo: mean of the training batches' ELBOs, each before its step, in nats per image.
        seconds: time of the training steps; evaluation and pictures are not in it.
        images_per_second: training images in that time.
        validation_elbo: as elbo, over the validation part; None where there is none.
    """

    epoch: int
    elbo: float
    reconstruction: float
    kl: float
    train_elbo: float
    seconds: float
    images_per_second: float
    validation_elbo: float | None = None


COLLAPSED_KL = 0.1  # nats per image, of the test set
COLLAPSE_REMEDY = "try --kl-warmup-epochs 10, or --objective analytic-kl --free-bits 0.1, or a smaller --latent-dim"

_FIELDS = [field.name for field in dataclasses.fields(EpochRecord)]
COLUMNS = len(_FIELDS)


def write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write ``history.csv``: a header and a row an epoch, floats with all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    writer.writerows(dataclasses.astuple(record) for record in history)
    write_file(path, text.getvalue().encode())


def read_history(path: Path) -> list[EpochRecord]:
    """Read what `write_history` wrote.

    Raises:
        InputError: it cannot be read or is not such a file.
    """
    try:
        rows = csv.DictReader(io.StringIO(path.read_text()))
        if missing := set(_FIELDS[:-1]) - set(rows.fieldnames or ()):  # of a file without rows nobody would notice
            raise KeyError(min(missing))
        return history_of(np.array([_read_row(row) for row in rows]).reshape(-1, COLUMNS))
    except (OSError, KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a history: {error!r}; expected the columns {_FIELDS}") from error


def _read_row(row: Mapping[str, str]) -> list[float]:
    # Runs of earlier versions have no validation column.
    return [float(row[name]) for name in _FIELDS[:-1]] + [float(row.get("validation_elbo") or math.nan)]


def history_table(history: Sequence[EpochRecord]) -> NDArray[np.float64]:
    """A history as float64 (epochs, COLUMNS); NaN where there is no validation part."""
    rows = [[math.nan if value is None else value for value in dataclasses.astuple(record)] for record in history]
    return np.array(rows, np.float64).reshape(-1, COLUMNS)


def history_of(table: NDArray[np.float64]) -> list[EpochRecord]:
    """The opposite of `history_table`."""
    records = [(EpochRecord(int(epoch), *numbers), validation) for epoch, *numbers, validation in table.tolist()]
    return [
        record if math.isnan(validation) else dataclasses.replace(record, validation_elbo=validation)
        for record, validation in records
    ]


def kept_epoch(history: Sequence[EpochRecord], patience: int) -> int:
    """The epoch whose weights a run keeps: the best of the validation part with early stopping, or else the last."""
    if not patience:
        return len(history)
    return max(history, key=lambda record: (record.validation_elbo, -record.epoch)).epoch if history else 0


def collapse(kl: float) -> str | None:
    """What to say of a KL in nats per image: a warning below `COLLAPSED_KL`, where codes tell next to nothing of images."""
    if not kl < COLLAPSED_KL:
        return None
    return f"posterior collapse: the test KL is {kl:.2g} nats, so that latents carry nothing of an image; {COLLAPSE_REMEDY}"


def stops_early(history: Sequence[EpochRecord], patience: int) -> bool:
    """Whether the validation part says that a run should end here; see `TrainConfig.patience`."""
    return bool(patience) and len(history) - kept_epoch(history, patience) >= patience

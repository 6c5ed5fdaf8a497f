"""Figures of each epoch, ``history.csv``, and warnings about them."""

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
    """Figures of one epoch.

    Attributes:
        epoch: counted from 1.
        elbo: reconstruction - kl, in nats per image.
        reconstruction: log p(x|z) with one draw per image, mean over the test set, in nats per image.
        kl: KL(q(z|x) || N(0, I)), mean over the test set, in nats per image.
        train_elbo: mean ELBO of the training batches, each before its step, in nats per image.
        seconds: time of the training steps, without evaluation and image files.
        images_per_second: training images per second of that time.
        validation_elbo: like elbo, over the validation set; None without one.

    Examples:
        >>> record = cvae_train.read_history(Path("runs/0001/history.csv"))[-1]
        >>> record.epoch, bool(np.isclose(record.elbo, record.reconstruction - record.kl))
        (2, True)
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
OVERFITTED = 0.01  # fall of the validation ELBO, as a fraction of its best
OVERFITTING_REMEDY = "try more images, fewer --epochs, --patience 5, or a smaller --latent-dim"
COLLAPSE_REMEDY = (
    "try --kl-warmup-epochs 10, or a smaller --latent-dim, or --prior normal --objective analytic-kl --free-bits 0.1"
)

_FIELDS = [field.name for field in dataclasses.fields(EpochRecord)]
COLUMNS = len(_FIELDS)


def write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write ``history.csv``: a header and one row per epoch, floats with all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    writer.writerows(dataclasses.astuple(record) for record in history)
    write_file(path, text.getvalue().encode())


def read_history(path: Path) -> list[EpochRecord]:
    """Read ``history.csv``.

    Raises:
        InputError: the file cannot be read, or its columns or values are wrong.

    Examples:
        >>> [record.epoch for record in cvae_train.read_history(Path("runs/0001/history.csv"))]
        [1, 2]
    """
    try:
        rows = csv.DictReader(io.StringIO(path.read_text()))
        if missing := set(_FIELDS[:-1]) - set(
            rows.fieldnames or ()
        ):  # _read_row cannot check this in a file without rows
            raise KeyError(min(missing))
        return history_of(np.array([_read_row(row) for row in rows]).reshape(-1, COLUMNS))
    except (OSError, KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise InputError(
            f"{path}: expected a history with the columns {_FIELDS}, found {error!r}; restore the file"
        ) from error


def _read_row(row: Mapping[str, str]) -> list[float]:
    # Older runs have no validation column.
    return [float(row[name]) for name in _FIELDS[:-1]] + [float(row.get("validation_elbo") or math.nan)]


def history_table(history: Sequence[EpochRecord]) -> NDArray[np.float64]:
    """Convert a history to float64 (epochs, COLUMNS), with NaN for a missing validation ELBO."""
    rows = [[math.nan if value is None else value for value in dataclasses.astuple(record)] for record in history]
    return np.array(rows, np.float64).reshape(-1, COLUMNS)


def history_of(table: NDArray[np.float64]) -> list[EpochRecord]:
    """Convert `history_table`'s array back to a history."""
    records = [(EpochRecord(int(epoch), *numbers), validation) for epoch, *numbers, validation in table.tolist()]
    return [
        record if math.isnan(validation) else dataclasses.replace(record, validation_elbo=validation)
        for record, validation in records
    ]


def best_epoch(history: Sequence[EpochRecord]) -> int | None:
    """Epoch of best validation ELBO, the first of equal ones; None without a validation set."""
    if not history or history[-1].validation_elbo is None:
        return None
    return max(history, key=lambda record: (record.validation_elbo, -record.epoch)).epoch


def collapse_warning(kl: float) -> str | None:
    """Return a warning if the test KL, in nats per image, is below `COLLAPSED_KL`, otherwise None."""
    if not kl < COLLAPSED_KL:
        return None
    return f"posterior collapse: the test KL is {kl:.2g} nats, so latents hold no information; {COLLAPSE_REMEDY}"


def overfitting_warning(history: Sequence[EpochRecord], kept: int) -> str | None:
    """Return a warning if the validation ELBO has fallen by more than `OVERFITTED` since its best, otherwise None.

    Args:
        history: one record per epoch.
        kept: the epoch whose weights the run keeps.
    """
    number = best_epoch(history)
    if number is None:
        return None
    best, last = history[number - 1], history[-1]
    assert best.validation_elbo is not None
    assert last.validation_elbo is not None
    if best.validation_elbo - last.validation_elbo <= OVERFITTED * abs(best.validation_elbo):
        return None
    return (
        f"overfitting: the validation ELBO fell from {best.validation_elbo:.2f} at epoch {best.epoch} to "
        f"{last.validation_elbo:.2f} at epoch {last.epoch}, and the weights of epoch {kept} are kept; "
        f"{OVERFITTING_REMEDY}"
    )

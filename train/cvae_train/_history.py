"""What a run measures each epoch, and ``history.csv``."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvae_runtime import InputError, write_file


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


_FIELDS = [field.name for field in dataclasses.fields(EpochRecord)]


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
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        return [_read_row(row) for row in rows]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a history: {error!r}; expected the columns {_FIELDS}") from error


def _read_row(row: Mapping[str, str]) -> EpochRecord:
    epoch, *numbers = _FIELDS[:-1]
    record = EpochRecord(int(row[epoch]), *(float(row[name]) for name in numbers))
    validation = row.get("validation_elbo")  # runs of earlier versions have none
    return dataclasses.replace(record, validation_elbo=float(validation)) if validation else record


def kept_epoch(history: Sequence[EpochRecord], patience: int) -> int:
    """The epoch whose weights a run keeps: the best of the validation part with early stopping, or else the last."""
    if not patience:
        return len(history)
    return max(history, key=lambda record: (record.validation_elbo, -record.epoch)).epoch if history else 0


def stops_early(history: Sequence[EpochRecord], patience: int) -> bool:
    """Whether the validation part says that a run should end here; see `TrainConfig.patience`."""
    return bool(patience) and len(history) - kept_epoch(history, patience) >= patience

"""`Record`: the figures of one training, as the JSON file that the next start of the command finds."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cvae_runtime.files import make_folder, write_file

from .._document import DocumentError

OURS = "cvae-train"
NOTEBOOK = "notebook's network"
PYTHAE = ("pythae, learning rate 1e-3", "pythae, learning rate 1e-4")
CONTENDERS = (OURS, NOTEBOOK, *PYTHAE)


@dataclasses.dataclass(frozen=True)
class Record:
    """A training and its evaluation.

    Attributes:
        set: name of the image set.
        contender: one of `CONTENDERS`.
        minutes: time that the training was given.
        seconds: time that its process took, with start and evaluation of each epoch.
        megabytes: peak memory of its process.
        figures: of the test part, as `_score` writes them, and of pythae's training.
        recipe: settings of the training.
        history: a row for each epoch; empty for pythae.
        environment: machine and versions, see `_environment`.
    """

    set: str
    contender: str
    minutes: float
    seconds: float
    megabytes: float
    figures: Mapping[str, Any]
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, float | None]]
    environment: Mapping[str, Any]

    @property
    def bits(self) -> float:
        """Bits per dimension of the test part; raises `KeyError` if the model has no levels."""
        bits: float | None = self.figures["bits_per_dimension"]
        if bits is None:
            raise KeyError(f"bits per dimension of {self.contender}")
        return bits


def machine_of(environment: Mapping[str, Any]) -> str:
    """Vector instructions and cores of the machine of an environment."""
    flags, cores = environment["flags"], environment["cores"]
    kind = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else environment["machine"]
    return f"{kind}, {cores} core{'' if cores == 1 else 's'}"


def best_of(records: Sequence[Record]) -> Record | None:
    """The record with the highest PSNR; None if there is none."""
    return max(records, key=lambda record: record.figures["psnr"], default=None)


def folder_of(out: Path, set_name: str, contender: str) -> Path:
    """Folder of a training."""
    return out / set_name / contender.replace("'s", "").replace(", learning rate ", "-").replace(" ", "-")


def write_record(out: Path, record: Record) -> None:
    """Write a record into the folder of its training."""
    text = json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)
    folder = folder_of(out, record.set, record.contender)
    make_folder(folder)
    write_file(folder / "record.json", f"{text}\n".encode())


def read_records(out: Path, set_name: str) -> dict[str, Record]:
    """Read the records of a set, by contender.

    Raises:
        DocumentError: a file is damaged.
    """
    found = {}
    for contender in CONTENDERS:
        path = folder_of(out, set_name, contender) / "record.json"
        try:
            found[contender] = Record(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError) as error:
            raise DocumentError(
                f"{path}: expected the record of a training, found {error}; remove the file and train again"
            ) from error
    return found

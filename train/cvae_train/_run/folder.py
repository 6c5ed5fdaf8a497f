"""A run's folder: what lies where in it, and what it says of itself.

config.json        the recipe, the data, and how it is computed; written first
environment.json   versions and machine
history.csv        a row an epoch
checkpoint.npz     the last whole epoch
best.npz           with early stopping: the weights of the best epoch so far, renamed to weights.npz at the end
samples/           image_at_epoch_0000.png and so on
cvae.gif, elbo.png, weights.npz   written at the end, the weights last: where they are, the run is finished
evaluation.json, evaluation.png   by cvae-evaluate
tensorboard/       by --tensorboard
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError, TargetExistsError
from cvae_runtime.files import (
    check_replaceable,
    lock_directory,
    make_folder,
    new_folder,
    parse_json,
    remove_temporary,
    write_file,
)

from .._config import TrainConfig
from .._data import AS_THEY_ARE, DataOptions, Dataset, fingerprint_of, load_data, load_test
from .layout import RUN_LAYOUT, is_file_of_run
from .no_run import no_run
from .plan import Plan

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """Which images a run was trained on, see `Dataset`.

    Attributes:
        test_fingerprint: of the test images alone; None in runs of before it was recorded.
    """

    source: str
    fingerprint: str
    train_images: int
    test_images: int
    test_fingerprint: str | None = None
    options: DataOptions = AS_THEY_ARE

    @classmethod
    def of(cls, data: Dataset) -> "DataInfo":
        """Describe a data set."""
        test_fingerprint = fingerprint_of(data.test)
        return cls(data.source, data.fingerprint, len(data.train), len(data.test), test_fingerprint, data.options)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "DataInfo":
        """The opposite of `dataclasses.asdict`, after JSON; fields that older runs lack have their defaults."""
        return cls(**{**fields, "options": DataOptions.from_json(fields.get("options", {}))})


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of a run in ``path``."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.npz"

    @property
    def weights(self) -> Path:
        return self.path / "weights.npz"

    @property
    def best(self) -> Path:
        return self.path / "best.npz"

    @property
    def gif(self) -> Path:
        return self.path / "cvae.gif"

    @property
    def elbo_curve(self) -> Path:
        return self.path / "elbo.png"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def evaluation_picture(self) -> Path:
        return self.path / "evaluation.png"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    def sample(self, epoch: int) -> Path:
        return self.path / "samples" / f"image_at_epoch_{epoch:04d}.png"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.weights.is_file()

    def read_config(self) -> tuple[TrainConfig, DataInfo]:
        """The recipe and the data of the run.

        Raises:
            InputError: no run lies here, or its config.json is not of this version.
        """
        fields = self._read_fields()
        try:
            return TrainConfig.from_json(fields["config"], str(self.config)), DataInfo.from_json(fields["data"])
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.config}: not a run's configuration: {error!r}") from error

    def _read_fields(self) -> dict[str, Any]:
        try:
            fields = parse_json(self.config.read_text())
        except (OSError, ValueError) as error:
            raise InputError(no_run(self.path, error)) from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
            raise InputError(
                f"{self.config}: expected format {FORMAT}, found {found}; it was written by another version"
            )
        return fields

    def read_plan(self) -> Plan | None:
        """How the run computes; None in runs of before it was recorded.

        Raises:
            InputError: no run lies here, or its config.json is not of this version.
        """
        fields = self._read_fields()
        return Plan.from_json(fields["compute"], str(self.config)) if isinstance(fields.get("compute"), dict) else None

    def load_test(self, source: str | Path | None = None, *, quiet: bool = False) -> NDArray[np.uint8]:
        """The images that the run was tested on, from ``source`` or where the run says they were.

        Training images are not read: they may be gone.

        Returns:
            uint8 (M, H, W, C).

        Raises:
            InputError: they are not there, or are other images than the run's.
        """
        config, info = self.read_config()
        where = self._source(source, info)
        try:
            if info.test_fingerprint is None:
                data = load_data(where, info.options, spill=self.path, quiet=quiet)
                test, expected, found = data.test, info.fingerprint, data.fingerprint
            else:
                test = load_test(where, info.options, config.model.image_shape, spill=self.path, quiet=quiet)
                expected, found = info.test_fingerprint, fingerprint_of(test)
        except InputError as error:
            raise InputError(
                f"{error}; the test images of {self.path} are needed: say where they are with --data"
            ) from error
        if found != expected:
            raise self._other_images(where, expected, found)
        return test

    def load_train(self, source: str | Path | None = None, *, quiet: bool = False) -> NDArray[np.uint8]:
        """The images that the run was trained on, read like `load_test`'s.

        Raises:
            InputError: they are not there, or are other images than the run's.
        """
        _, info = self.read_config()
        where = self._source(source, info)
        data = load_data(where, info.options, spill=self.path, quiet=quiet)
        if data.fingerprint != info.fingerprint:
            raise self._other_images(where, info.fingerprint, data.fingerprint)
        return data.train

    def _source(self, source: str | Path | None, info: DataInfo) -> str | Path:
        """Where images are read from: ``source``, or where the run says."""
        if source is None and info.source == "memory":
            raise InputError(
                f"{self.path}: was trained on arrays in memory; save them as x_train and x_test in an .npz and say --data"
            )
        return info.source if source is None else source

    def _other_images(self, where: str | Path, expected: str, found: str) -> InputError:
        return InputError(
            f"{where}: other images than {self.path} was trained on: expected the fingerprint {expected}, "
            f"found {found}; say --data with the right ones"
        )

    @contextmanager
    def prepared(
        self,
        config: TrainConfig,
        data: DataInfo,
        environment: Mapping[str, Any],
        plan: Plan,
        *,
        resume: bool,
        overwrite: bool,
    ) -> Iterator[None]:
        """Make the folder ready for this recipe, new, emptied, or as it was left, and keep others out of it for a block.

        Raises:
            TargetExistsError: the folder holds something, and neither resume nor overwrite was asked for; or it is to be
                overwritten and holds anything but a run.
            InputError: it holds something that is not a run, or a run with other settings than these; or another
                process is at work in it.
        """
        taken = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
        if taken and not self.config.is_file():
            raise InputError(
                f"{self.path}: expected a run folder or nothing, found something else; choose another name"
            )
        if taken and not (resume or overwrite):
            raise TargetExistsError(
                f"{self.path} holds a run already; say --resume to go on with it or --overwrite to begin anew"
            )
        if taken and not resume:
            check_replaceable(self.path, RUN_LAYOUT)
        with ExitStack() as stack:
            if taken:
                stack.enter_context(lock_directory(self.path))
            if taken and resume:
                self._check_same(config, data)
                remove_temporary(self.path, is_file_of_run)
            else:
                written = {"config": config.to_json(), "data": dataclasses.asdict(data)}
                written |= {"compute": dataclasses.asdict(plan)}
                self._begin(written, environment, stack, overwrite=taken)
            yield

    def _begin(
        self, written: Mapping[str, Any], environment: Mapping[str, Any], stack: ExitStack, *, overwrite: bool
    ) -> None:
        make_folder(self.path.absolute().parent)
        # Renamed into its place as a whole, so that a folder without a config.json is never ours, and held before, so
        # that of two processes that begin one run the second is refused.
        with new_folder(self.path, replaces=RUN_LAYOUT if overwrite else None) as path:
            folder = RunFolder(path)
            folder.sample(0).parent.mkdir()
            write_json(folder.environment, environment)
            write_json(folder.config, {"format": FORMAT, **written})
            stack.enter_context(lock_directory(path, self.path))

    def _check_same(self, config: TrainConfig, data: DataInfo) -> None:
        old, new = _settings(*self.read_config()), _settings(config, data)
        differences = [f"  {key}: {old[key]} then, {new[key]} now" for key in old if old[key] != new[key]]
        if differences:
            raise InputError(
                f"{self.path} was begun with other settings; repeat them, or choose another folder:\n"
                + "\n".join(differences)
            )


def write_json(path: Path, value: Any) -> None:
    """Write plain values as indented JSON with a final newline; NaN and infinity, which JSON has not, raise ValueError."""
    write_file(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def _settings(config: TrainConfig, data: DataInfo) -> dict[str, Any]:
    images = {"fingerprint": data.fingerprint, "options": dataclasses.asdict(data.options)}
    return _flatten({"config": config.to_json(), "data": images})


def _flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat

"""Files of a run folder, and how to create, read and resume it.

* ``config.json``: recipe, data and compute plan; written first.
* ``environment.json``: versions and machine.
* ``history.csv``: one row per epoch.
* ``checkpoint.npz``: the last complete epoch.
* ``best.npz``: with a validation set, the weights of the epoch of best validation ELBO so far.
* ``samples/``: ``image_at_epoch_0000.png`` and so on.
* ``cvae.gif``, ``elbo.png``, ``weights.npz``: written at the end, weights last. A run with weights is finished, unless
  it is being continued: then the weights are older than the continuation.
* ``evaluation.json``, ``evaluation.png``: written by ``cvae-evaluate``.
* ``tensorboard/``: written by ``cvae-train --tensorboard``.
"""

import dataclasses
import json
import shlex
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
from cvae_runtime.images import npz_names, read_npz
from cvae_runtime.random import derived_key

from .._config import TrainConfig
from .._data import (
    AS_THEY_ARE,
    DataOptions,
    Dataset,
    Tag,
    draw_binary,
    fingerprint_of,
    load_data,
    load_test,
)
from .check_run import not_a_run_message
from .course import Course, Part, Start
from .history import read_history
from .layout import RUN_LAYOUT, is_file_of_run
from .plan import Plan

FORMAT = 1
EPOCHS = "epochs"  # array of weights.npz


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """Record of the images that a run was trained on; see `Dataset`.

    Attributes:
        test_fingerprint: SHA-256 of the test images; None in older runs, which do not record it.
        labels_fingerprint: SHA-256 of the classes of all images; None without labels.

    Examples:
        >>> config, info = cvae_train.RunFolder(Path("runs/0001")).read_config()
        >>> info.train_images, info.test_images
        (40, 13)
    """

    source: str
    fingerprint: str
    train_images: int
    test_images: int
    test_fingerprint: str | None = None
    options: DataOptions = AS_THEY_ARE
    labels_fingerprint: str | None = None

    @classmethod
    def of(cls, data: Dataset) -> "DataInfo":
        """Describe a data set."""
        return cls(
            data.source,
            data.fingerprint,
            len(data.train),
            len(data.test),
            fingerprint_of(data.test),
            data.options,
            None if data.labels is None else data.labels.fingerprint,
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "DataInfo":
        """Convert from JSON values; fields that older runs lack take their defaults."""
        return cls(**{**fields, "options": DataOptions.from_json(fields.get("options", {}))})


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of a run in ``path``.

    Examples:
        >>> folder = cvae_train.RunFolder(Path("runs/0001"))
        >>> folder.finished, folder.weights.name
        (True, 'weights.npz')
    """

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
        """Whether the run is finished.

        While a finished run is continued, it still has the weights of the epochs before.
        """
        if not self.weights.is_file():
            return False
        begun_after = self.read_course().begun_after
        return not begun_after or _epochs_of(self.weights) > begun_after

    def read_config(self) -> tuple[TrainConfig, DataInfo]:
        """Read the recipe and the data of the run.

        Raises:
            InputError: the folder is not a run, or another version wrote its config.json.
        """
        fields = self._read_fields()
        try:
            return TrainConfig.from_json(fields["config"], str(self.config)), DataInfo.from_json(fields["data"])
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.config}: expected the configuration of a run, found {error!r}; name another folder"
            ) from error

    def _read_fields(self) -> dict[str, Any]:
        try:
            fields = parse_json(self.config.read_text())
        except (OSError, ValueError) as error:
            raise InputError(not_a_run_message(self.path, error)) from error
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            found = fields.get("format") if isinstance(fields, dict) else type(fields).__name__
            raise InputError(
                f"{self.config}: expected format {FORMAT}, found {found}; use the version of cvae-toolkit that wrote it"
            )
        return fields

    def read_plan(self) -> Plan | None:
        """Read the compute plan of the run; None in older runs, which do not record it.

        Raises:
            InputError: the folder is not a run, or another version wrote its config.json.
        """
        fields = self._read_fields()
        return Plan.from_json(fields["compute"], str(self.config)) if isinstance(fields.get("compute"), dict) else None

    def read_recipe(self) -> dict[str, Any] | None:
        """Read the reasons of a derived or timed recipe, see `TrainingPlan.record`; None if the run has none.

        Raises:
            InputError: the folder is not a run, or another version wrote its config.json.
        """
        return self._read_fields().get("recipe")

    def read_minutes(self) -> float | None:
        """Read the time that the run was fitted to; None if it was not.

        Raises:
            InputError: the folder is not a run, or another version wrote its config.json.
        """
        return (self.read_recipe() or {}).get("minutes")

    def read_course(self) -> Course:
        """Read the course of the run.

        Raises:
            InputError: the folder is not a run, or another version wrote its config.json.
        """
        return Course.from_json(self._read_fields(), str(self.config))

    def load_test(
        self, source: str | Path | None = None, *, drawn: bool = True, quiet: bool = False
    ) -> NDArray[np.uint8]:
        """Read the run's test images, but not its training images, from ``source`` or the recorded source.

        Returns:
            uint8 (M, H, W, C); with dynamic binarization, as drawn for all runs if ``drawn``, otherwise with grey
            levels.

        Raises:
            InputError: the images are missing, or are not the run's.
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
                f"{error}. This needs the test images of {self.path}; pass their location with --data"
            ) from error
        if found != expected:
            raise self._other_images(where, expected, found)
        return draw_test(config, test) if drawn else test

    def load_train(
        self, source: str | Path | None = None, *, drawn: bool = True, quiet: bool = False
    ) -> NDArray[np.uint8]:
        """Read the training images of the run; see `load_test`.

        Returns:
            uint8 (N, H, W, C); with dynamic binarization, as drawn in the run's first epoch if ``drawn``.

        Raises:
            InputError: the images are missing, or are not the run's.
        """
        train = self.load_dataset(source, quiet=quiet).train
        return draw_train(self.read_config()[0], train) if drawn else train

    def load_dataset(self, source: str | Path | None = None, *, quiet: bool = False) -> Dataset:
        """Read all images of the run with their grey levels, and their labels, from ``source`` or the recorded source.

        Raises:
            InputError: the images are missing, or are not the run's; or their labels are wrong, see `load_data`.

        Examples:
            >>> data = cvae_train.RunFolder(Path("runs/0001")).load_dataset()
            >>> len(data.train), len(data.test), data.labels
            (40, 13, None)
        """
        config, info = self.read_config()
        where = self._source(source, info)
        data = load_data(where, info.options, spill=self.path, quiet=quiet)
        if data.fingerprint != info.fingerprint:
            raise self._other_images(where, info.fingerprint, data.fingerprint)
        found = None if data.labels is None else data.labels.fingerprint
        if config.model.labels and found != info.labels_fingerprint:
            raise InputError(
                f"{where}: expected the classes that {self.path} was trained on, with fingerprint "
                f"{info.labels_fingerprint}, found {'none' if found is None else f'fingerprint {found}'}; pass the right "
                f"images and labels with --data"
            )
        return data

    def _source(self, source: str | Path | None, info: DataInfo) -> str | Path:
        """Return ``source``, or the recorded source if it is None."""
        if source is None and info.source == "memory":
            raise InputError(
                f"{self.path} was trained on arrays in memory; save them as x_train and x_test in an .npz file and "
                f"pass it with --data"
            )
        return info.source if source is None else source

    def _other_images(self, where: str | Path, expected: str, found: str) -> InputError:
        return InputError(
            f"{where}: expected the images that {self.path} was trained on, with fingerprint {expected}, "
            f"found fingerprint {found}; pass the right ones with --data"
        )

    def check_target(self, *, resume: bool, overwrite: bool) -> bool:
        """Whether the folder holds a run, which is to be resumed or replaced.

        Raises:
            TargetExistsError: as `prepared`.
            InputError: the folder is neither empty nor a run.
        """
        taken = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
        if taken and not self.config.is_file():
            raise InputError(
                f"{self.path}: expected a run folder or an empty one, found something else; choose another folder"
            )
        if taken and not resume:
            check_replaceable(self.path, RUN_LAYOUT)  # before --overwrite is advised
        if taken and not (resume or overwrite):
            raise TargetExistsError(
                f"{self.path} already holds a run; pass --resume to continue it or --overwrite to start again"
            )
        return taken

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
        start: Start | None = None,
        freeze: Part | None = None,
        recipe: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:
        """Create, replace, resume or continue the run folder, and lock it within the block.

        ``recipe`` is what `read_recipe` returns later.

        Raises:
            TargetExistsError: the folder is a run, and neither resume nor overwrite is set; or overwrite is set, and
                the folder also holds other files.
            InputError: the folder is neither empty nor a run, or is a run with other settings, or another process has
                locked it.
        """
        taken = self.check_target(resume=resume, overwrite=overwrite)
        with ExitStack() as stack:
            if taken:
                stack.enter_context(lock_directory(self.path))
            if taken and resume:
                more = self._adds_epochs(config)
                self._check_same(dataclasses.replace(config, epochs=more) if more else config, data)
                remove_temporary(self.path, is_file_of_run)
                if more:
                    self._continue(config, recipe)
            else:
                written = {"config": config.to_json(), "data": dataclasses.asdict(data)}
                written |= {"compute": dataclasses.asdict(plan), **Course(start=start, freeze=freeze).to_json()}
                written |= _recorded(recipe)
                self._begin(written, environment, stack, overwrite=taken)
            yield

    def _begin(
        self, written: Mapping[str, Any], environment: Mapping[str, Any], stack: ExitStack, *, overwrite: bool
    ) -> None:
        make_folder(self.path.absolute().parent)
        # The complete folder is renamed into place, so a run folder always has a config.json. It is locked before that,
        # so only one of two processes can start the same run.
        with new_folder(self.path, replaces=RUN_LAYOUT if overwrite else None) as path:
            folder = RunFolder(path)
            folder.sample(0).parent.mkdir()
            write_json(folder.environment, environment)
            write_json(folder.config, {"format": FORMAT, **written})
            stack.enter_context(lock_directory(path, self.path))

    def _adds_epochs(self, config: TrainConfig) -> int:
        """Number of epochs of the recorded recipe if the run is finished and ``config`` has more, otherwise 0."""
        epochs = self.read_config()[0].epochs
        return epochs if self.finished and config.epochs > epochs else 0

    def _continue(self, config: TrainConfig, recipe: Mapping[str, Any] | None) -> None:
        """Record that the finished run is continued to the epochs of ``config``."""
        if not self.checkpoint.is_file():
            raise InputError(
                f"{self.path}: expected a run with checkpoint.npz, which training continues from, found none; restore "
                f"the file, or start another run from the weights with --from {shlex.quote(str(self.path))}"
            )
        course, history = self.read_course(), read_history(self.history)
        if course.kept_epoch(history) < len(history) and not self.best.is_file():  # an older version renamed it
            write_file(self.best, self.weights.read_bytes())
        course = dataclasses.replace(course, continued_after=(*course.continued_after, len(history)))
        fields = {**self._read_fields(), "config": config.to_json(), **course.to_json(), **_recorded(recipe)}
        write_json(self.config, fields)

    def _check_same(self, config: TrainConfig, data: DataInfo) -> None:
        old, new = _settings(*self.read_config()), _settings(config, data)
        differences = [
            f"  {key}: {old.get(key)} then, {new.get(key)} now"
            for key in {**old, **new}
            if old.get(key) != new.get(key)
        ]
        if differences:
            raise InputError(
                f"{self.path} was started with other settings; repeat them, or choose another folder:\n"
                + "\n".join(differences)
            )


def draw_test(config: TrainConfig, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return test images, uint8 (M, H, W, C), as a run sees them: with dynamic binarization, drawn for all runs."""
    return draw_binary(images) if config.binarize == "dynamic" else images


def draw_train(config: TrainConfig, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return training images, uint8 (N, H, W, C): with dynamic binarization, as drawn in the run's first epoch."""
    if config.binarize != "dynamic":
        return images
    return draw_binary(images, derived_key(config.seed, Tag.TRAINING, 1))


def read_data_options(path: Path, given: DataOptions) -> DataOptions:
    """Return how the images of a run are read, given its ``config.json``, with the options in ``given`` replaced.

    Other files, such as recipes in TOML, have no such options.
    """
    if path.suffix == ".toml":
        return given
    try:
        fields = parse_json(path.read_text())
        recorded = DataOptions.from_json(fields["data"]["options"])
    except (AttributeError, KeyError, TypeError, OSError, ValueError):
        return given
    return dataclasses.replace(recorded, **given.set_fields())


def _recorded(recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if recipe is None else {"recipe": recipe}


def _epochs_of(weights: Path) -> int:
    """Number of complete epochs when the weights were written; 0 in files of older versions, which lack it."""
    return int(read_npz(weights, [EPOCHS])[0]) if EPOCHS in npz_names(weights) else 0


def write_json(path: Path, value: Any) -> None:
    """Write plain values as indented JSON with a final newline; NaN and infinity raise ValueError."""
    write_file(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def _settings(config: TrainConfig, data: DataInfo) -> dict[str, Any]:
    images: dict[str, Any] = {"fingerprint": data.fingerprint, "options": dataclasses.asdict(data.options)}
    if config.model.labels:
        images["labels_fingerprint"] = data.labels_fingerprint
    return _flatten({"config": config.to_json(), "data": images})


def _flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat

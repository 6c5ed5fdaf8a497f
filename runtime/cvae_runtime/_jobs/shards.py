"""Write any number of samples as a folder of shards, which are files of consecutive samples.

Shards are written in batches, so memory does not limit the number of samples. A resumed job writes only the missing
shards. A file gets the name of its shard only when it is complete and on the disk. Existing shards are still checked,
since other programs may have truncated them. ``shards.json`` in the folder stores the settings of the samples, so a
folder never mixes samples of two settings.
"""

import contextlib
import dataclasses
import functools
import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from .._check import check_int
from .._errors import CvaeError, InputError
from .._model import Dtype, Model, check_samples, class_names, index_of
from .._system import (
    Layout,
    Owns,
    lock_directory,
    new_file,
    new_folder,
    parse_json,
    progress,
    refuse_existing_folder,
    remove_temporary,
    require,
    write_file,
)
from .execute import Executor, InProcess
from .shard_checks import is_whole_shard
from .shard_formats import SHARD_FORMATS

SETTINGS_NAME = "shards.json"

_NUMBER_DIGITS = 5  # minimum of digits in a shard's name


class Shard(NamedTuple):
    """One file of the folder, and the indices of its samples; a task of an `Executor`."""

    name: str
    indices: range

    def __str__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class ShardSettings:
    """Settings that determine the bytes of all shards; ``shards.json`` stores these fields.

    Attributes:
        count, seed, first, temperature: as for `Model.stream`.
        shard_size: samples in a shard; the last one may have fewer.
        format: one of `SHARD_FORMATS`.
        dtype: "float32", values in [0, 1], or "uint8", levels.
        image_shape: (H, W, C).
        micro_batch: samples in one call of the decoder; calls start at sample indices that are multiples of this.
        provider: the execution provider.
        graph: the decoder's file in the bundle.
        bundle: SHA-256 of the bundle's manifest, which contains the hash of every file.
        rng: name of the random number generator.
        label: name of the samples' class; None: no label. Tables have it as the column ``label``.
    """

    count: int
    seed: int
    first: int
    temperature: float
    shard_size: int
    format: str
    dtype: Dtype
    image_shape: tuple[int, int, int]
    micro_batch: int
    provider: str
    graph: str
    bundle: str
    rng: str
    label: str | None = None

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        count: int,
        seed: int,
        first: int,
        temperature: float,
        shard_size: int,
        file_format: str,
        dtype: Dtype,
        label: str | None = None,
    ) -> Self:
        """Make the settings for a model's samples; raise `InputError` for a number out of range or a wrong class."""
        check_samples(model.manifest.model, count, seed=seed, first=first, temperature=temperature)
        if label is not None:
            index_of(class_names(model.manifest.model), label)
        return cls(
            count=count,
            seed=seed,
            first=first,
            temperature=float(temperature),
            shard_size=check_int("shard size", shard_size, 1),
            format=file_format,
            dtype=dtype,
            image_shape=model.image_shape,
            micro_batch=model.micro_batch,
            provider=model.provider,
            graph=model.graphs["decoder"].file,
            bundle=model.sha256,
            rng=model.manifest.model.rng,
            label=label,
        )

    def to_json(self) -> str:
        """Text of ``shards.json``, which has a label only if there is one."""
        fields = dataclasses.asdict(self)
        if self.label is None:
            del fields["label"]
        return json.dumps(fields, indent=2, allow_nan=False) + "\n"

    def shards(self) -> list[Shard]:
        """The shards of the folder, in order."""
        end = self.first + self.count
        starts = range(self.first, end, self.shard_size)
        return [Shard(self._name(i), range(start, min(start + self.shard_size, end))) for i, start in enumerate(starts)]

    def owns(self, path: str) -> bool:
        """Whether a path, relative to the folder, is one of the shards or ``shards.json``."""
        found = re.fullmatch(r"part-([0-9]+)\..+", path)
        i = int(found[1]) if found is not None else self._number
        return path == SETTINGS_NAME or (i < self._number and path == self._name(i))

    @property
    def _number(self) -> int:
        return -(-self.count // self.shard_size)

    def _name(self, i: int) -> str:
        digits = max(_NUMBER_DIGITS, len(str(self._number - 1)))
        return f"part-{i:0{digits}d}.{self.format}"


def write_shards(
    model: Model,
    folder: Path,
    settings: ShardSettings,
    *,
    resume: bool,
    overwrite: bool,
    quiet: bool = False,
    executor: Executor | None = None,
) -> None:
    """Write a folder of shards, or the missing shards of one.

    Args:
        model: the model that `ShardSettings.of` was called with.
        folder: the target, for ``part-00000.npy`` and so on, and ``shards.json``.
        settings: what to write.
        resume: continue an existing folder: write its missing and damaged shards. A finished folder does not change.
        overwrite: replace an existing folder of shards. A folder that contains any other file is an error.
        quiet: print nothing to stderr.
        executor: where the shards are written, for example on other machines that share the folder. Default:
            `InProcess`.

    Raises:
        TargetExistsError: the folder exists and neither ``resume`` nor ``overwrite`` is set; or ``overwrite`` is set
            and the folder contains other files.
        InputError: the folder to resume is not a folder of shards, or has other settings; a folder has the name of a
            shard; another process is writing into the folder; or it cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    if settings.format == "parquet":
        require("pyarrow", "parquet")
    with _begun(folder, settings, resume=resume, overwrite=overwrite):
        _write_missing(model, folder, settings, executor, quiet=quiet)


def _write_missing(
    model: Model, folder: Path, settings: ShardSettings, executor: Executor | None, *, quiet: bool
) -> None:
    shards = settings.shards()
    there = {path.name for path in folder.iterdir()}
    file_format, dtype, shape = settings.format, settings.dtype, settings.image_shape
    damaged = [
        shard.name
        for shard in shards
        if shard.name in there and not is_whole_shard(folder / shard.name, file_format, shard.indices, dtype, shape)
    ]
    if damaged and not quiet:
        more = f" and {len(damaged) - 1:,} more" if len(damaged) > 1 else ""
        print(f"{folder}: {damaged[0]}{more} damaged; written again", file=sys.stderr)
    missing = [shard for shard in shards if shard.name not in there or shard.name in damaged]
    if not missing:
        return
    written = len(shards) - len(missing)
    done = settings.count - sum(len(shard.indices) for shard in missing)
    # Absolute, since the executor's processes may have another working directory.
    work = functools.partial(_write_shard, folder if executor is None else folder.absolute(), settings)
    try:
        with (
            progress(settings.count, "images", done=done, quiet=quiet) as advance,
            contextlib.closing((executor or InProcess(model))(work, missing)) as completed,
        ):
            for shard, _ in completed:
                written += 1
                advance(len(shard.indices))
        remove_temporary(folder, settings.owns)  # files of killed workers, whose tasks ran again
    except (CvaeError, KeyboardInterrupt):
        if not quiet:
            line = f"{folder} holds {written:,} of {len(shards):,} shards; repeat the command with --resume to continue"
            print(line, file=sys.stderr)
        raise


def _write_shard(folder: Path, settings: ShardSettings, model: Model, shard: Shard) -> None:
    """Write a shard; an executor may call this on any machine.

    Raises:
        InputError: this machine does not see the folder in which the job began.
    """
    path = folder / SETTINGS_NAME
    if not path.is_file() or path.read_bytes() != settings.to_json().encode():
        raise InputError(
            f"{path}: expected the file that this command wrote, found none or another on {platform.node()}; "
            f"name an output folder that all machines of the cluster share"
        )
    batches = model.stream(
        len(shard.indices),
        seed=settings.seed,
        first=shard.indices.start,
        temperature=settings.temperature,
        dtype=settings.dtype,
        label=settings.label,
    )
    with new_file(folder / shard.name) as file:
        SHARD_FORMATS[settings.format](file, shard.indices, batches, settings.label)


def _owns(folder: Path) -> Owns:
    fields = json.loads((folder / SETTINGS_NAME).read_bytes())
    fields = {"label": None, **fields}
    settings = ShardSettings(**{field.name: fields[field.name] for field in dataclasses.fields(ShardSettings)})
    check_int("count", settings.count, 1)
    check_int("shard_size", settings.shard_size, 1)
    return settings.owns


_LAYOUT = Layout("a folder of shards", _owns)


@contextlib.contextmanager
def _begun(folder: Path, settings: ShardSettings, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Create the folder, or check that the job can resume it. Lock it within the block."""
    refuse_existing_folder(folder, _LAYOUT, overwrite, resume=resume)
    with contextlib.ExitStack() as stack:
        begun = _read_settings(folder) if resume else None
        if begun is not None or (folder.is_dir() and any(folder.iterdir())):
            stack.enter_context(lock_directory(folder))
        if begun is None:
            with new_folder(folder, replaces=_LAYOUT if overwrite else None) as new:
                write_file(new / SETTINGS_NAME, settings.to_json().encode())
                stack.enter_context(lock_directory(new, folder))
        else:
            _check_same(folder, begun, settings)
            remove_temporary(folder, settings.owns)
        yield


def _check_same(folder: Path, begun: Mapping[str, Any], settings: ShardSettings) -> None:
    now = json.loads(settings.to_json())
    differences = [
        f"{name} was {begun.get(name)!r} and is now {now.get(name)!r}"
        for name in {**now, **begun}
        if begun.get(name) != now.get(name)
    ]
    if differences:
        raise InputError(
            f"{folder} was written with other settings: {'; '.join(differences)}; "
            f"use the old settings, or start again with --overwrite instead of --resume"
        )


def _read_settings(folder: Path) -> Mapping[str, Any] | None:
    """Read ``shards.json`` of a folder; None if the folder is empty or does not exist."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        settings = parse_json((folder / SETTINGS_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: expected a folder of shards with a readable {SETTINGS_NAME}, found {error}; name another folder"
        ) from error
    if not isinstance(settings, dict):
        raise InputError(f"{folder / SETTINGS_NAME}: expected a JSON object; found {type(settings).__name__}")
    return settings

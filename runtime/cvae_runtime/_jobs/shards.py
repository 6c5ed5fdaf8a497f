"""Any number of samples as a folder of shards, made a batch at a time and resumed at those that are missing.

A shard gets its name when it is whole and on the disk. What is there is looked at all the same before it is passed over:
others may have cut or emptied it. What the samples are made with lies beside the shards, so that a folder never mixes
two streams.
"""

import contextlib
import dataclasses
import functools
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from .._check import whole
from .._errors import CvaeError, InputError
from .._model import Model
from .._sampling import Dtype
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
from .shard_checks import is_whole_shard
from .shard_formats import SHARD_FORMATS

SETTINGS_NAME = "shards.json"

# Does parts of a job by calls of ``work(model, name, indices)``, and yields their names and results as they are done.
Work = Callable[[Model, str, range], Any]
ShardEngine = Callable[[Work, Mapping[str, range]], Generator[tuple[str, Any], None, None]]

_NUMBER_DIGITS = 5  # of a shard's name; more where there are more shards


@dataclasses.dataclass(frozen=True)
class ShardSettings:
    """What decides the bytes of a folder of shards; ``shards.json`` holds these fields.

    Attributes:
        count, seed, first, temperature: which samples, as for `Model.stream`.
        shard_size: samples in a shard; the last one may hold fewer.
        format: one of `SHARD_FORMATS`.
        dtype: of the values, "float32", in [0, 1], or "uint8", grey levels.
        image_shape: (H, W, C).
        micro_batch: micro-batches are cut at multiples of this in the sample's index.
        provider: the execution provider.
        graph: the decoder's file in the bundle.
        bundle: SHA-256 of the bundle's manifest, which holds that of every file.
        rng: name of the random numbers.
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
    ) -> Self:
        """Settings of samples of a model; raises `InputError` for a number out of range."""
        model.check_samples(count, seed=seed, first=first, temperature=temperature)
        return cls(
            count=count,
            seed=seed,
            first=first,
            temperature=float(temperature),
            shard_size=whole("shard size", shard_size, 1),
            format=file_format,
            dtype=dtype,
            image_shape=model.image_shape,
            micro_batch=model.micro_batch,
            provider=model.provider,
            graph=model.graphs["decoder"].file,
            bundle=model.sha256,
            rng=model.manifest.model.rng,
        )

    def to_json(self) -> str:
        """The text of ``shards.json``."""
        return json.dumps(dataclasses.asdict(self), indent=2, allow_nan=False) + "\n"

    def shards(self) -> dict[str, range]:
        """The samples' indices by the shards' names."""
        end = self.first + self.count
        starts = range(self.first, end, self.shard_size)
        return {self._name(i): range(start, min(start + self.shard_size, end)) for i, start in enumerate(starts)}

    def owns(self, path: str) -> bool:
        """Whether a folder of these shards may hold a file of this name."""
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
    engine: ShardEngine | None = None,
) -> None:
    """Write a folder of shards, or those that it lacks.

    Args:
        model: the one that the settings are of.
        folder: gets ``part-00000.npy`` and so on, and ``shards.json``.
        settings: what to write.
        resume: go on where the folder is there; one that is finished is left as it is. Shards that were cut off, or
            are something else, are made anew.
        overwrite: remove the shards that are there; a folder that holds anything else is left as it is.
        quiet: print nothing to stderr.
        engine: makes the shards on other machines, which share the folder; one after another here if not given.

    Raises:
        TargetExistsError: the folder is there, and neither resume nor overwrite was asked for, or it is to be
            overwritten and holds anything but shards.
        InputError: the folder is none of shards, or of other settings, or a folder has a shard's name; another process writes it; or it cannot be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    if settings.format == "parquet":
        require("pyarrow", "parquet")
    with _begun(folder, settings, resume=resume, overwrite=overwrite):
        _write_missing(model, folder, settings, engine, quiet=quiet)


def _write_missing(
    model: Model, folder: Path, settings: ShardSettings, engine: ShardEngine | None, *, quiet: bool
) -> None:
    shards = settings.shards()
    there = {path.name for path in folder.iterdir()}
    file_format, dtype, shape = settings.format, settings.dtype, settings.image_shape
    damaged = [
        name
        for name, indices in shards.items()
        if name in there and not is_whole_shard(folder / name, file_format, indices, dtype, shape)
    ]
    if damaged and not quiet:
        more = f" and {len(damaged) - 1:,} more" if len(damaged) > 1 else ""
        print(f"{folder}: {damaged[0]}{more} cut off or of something else; made anew", file=sys.stderr)
    there.difference_update(damaged)
    missing = {name: indices for name, indices in shards.items() if name not in there}
    if not missing:
        return
    done = settings.count - sum(map(len, missing.values()))
    if engine is None:
        engine, work = functools.partial(one_by_one, model), functools.partial(_write_shard, folder, settings)
    else:
        work = functools.partial(_write_shared_shard, folder.absolute(), settings)
    try:
        with (
            progress(settings.count, "images", done=done, quiet=quiet) as advance,
            contextlib.closing(engine(work, dict(missing))) as done_parts,
        ):
            for name, _ in done_parts:
                advance(len(missing.pop(name)))
        remove_temporary(folder, settings.owns)  # of workers that were killed and whose work others did again
    except (CvaeError, KeyboardInterrupt):
        if not quiet:
            written = f"{len(shards) - len(missing):,} of {len(shards):,} shards"
            print(f"{folder} holds {written}; repeat with --resume to go on", file=sys.stderr)
        raise


def one_by_one(model: Model, work: Work, parts: Mapping[str, range]) -> Generator[tuple[str, Any], None, None]:
    """Do each part in this process."""
    for name, indices in parts.items():
        yield name, work(model, name, indices)


def _write_shared_shard(folder: Path, settings: ShardSettings, model: Model, name: str, indices: range) -> None:
    path = folder / SETTINGS_NAME
    if not path.is_file() or path.read_bytes() != settings.to_json().encode():
        raise InputError(
            f"{path}: expected on {platform.node()} what this command wrote there; "
            f"name an output folder that all machines of the cluster share"
        )
    _write_shard(folder, settings, model, name, indices)


def _write_shard(folder: Path, settings: ShardSettings, model: Model, name: str, indices: range) -> None:
    batches = model.stream(
        len(indices),
        seed=settings.seed,
        first=indices.start,
        temperature=settings.temperature,
        dtype=settings.dtype,
    )
    with new_file(folder / name) as file:
        SHARD_FORMATS[settings.format](file, indices, batches)


def _owns(folder: Path) -> Owns:
    fields = json.loads((folder / SETTINGS_NAME).read_bytes())
    settings = ShardSettings(**{field.name: fields[field.name] for field in dataclasses.fields(ShardSettings)})
    whole("count", settings.count, 1)
    whole("shard_size", settings.shard_size, 1)
    return settings.owns


_LAYOUT = Layout("a folder of shards", _owns)


@contextlib.contextmanager
def _begun(folder: Path, settings: ShardSettings, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Make the folder, or see that it may be gone on with, and keep others out of it for a block."""
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
            f"{folder} was begun with other settings: {'; '.join(differences)}; "
            f"repeat the first ones, or begin anew with --overwrite instead of --resume"
        )


def _read_settings(folder: Path) -> Mapping[str, Any] | None:
    """What ``shards.json`` of a folder says; None where there is no folder yet, or an empty one."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        settings = parse_json((folder / SETTINGS_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: expected a folder of shards with a {SETTINGS_NAME} that can be read; found {error}; name another folder"
        ) from error
    if not isinstance(settings, dict):
        raise InputError(f"{folder / SETTINGS_NAME}: expected a JSON object; found {type(settings).__name__}")
    return settings

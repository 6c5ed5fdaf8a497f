"""Shards of TFRecords whose Examples hold encoded pictures."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import file_kind

from .._tensorflow import import_tensorflow
from .encoded_images import Encoded, EncodedPart
from .options import DataOptions
from .part_names import PartName, part_of
from .splits import FOLDER, HIDDEN, Source, notes_on_others, own_parts, split_parts

FEATURES = ("image/encoded", "image", "image_raw")

_KINDS = ("TFRecord", "gzip of TFRecord", "zlib of TFRecord")
_FRAME_BYTES = 16  # a record's length, and two checksums


def tfrecords(path: Path, options: DataOptions, quiet: bool, inside: Mapping[str, str]) -> Source | None:
    """The pictures of one shard or of a folder's: those named for a part, or some of all held out.

    Raises:
        InputError: a shard is damaged, some are held back from training by their names and none are named for it, or
            all together hold fewer than two records.
    """
    if path.is_file():
        shards = [path] if _is_shard(path.name, file_kind(path)) else []
    else:
        shards = [path / name for name, kind in inside.items() if _is_shard(name, kind)]
    if not shards:
        return None
    named: dict[PartName, list[Path]] = {}
    for shard in shards if path.is_dir() else ():
        if part := part_of(shard.name):
            named.setdefault(part, []).append(shard)
    if named and "train" not in named:
        held = next(iter(named.values()))[0].name
        raise InputError(
            f"{path}: expected shards named train beside {held}, whose name holds it back from training, found none; "
            f"give the shards to train on such names, or give it another"
        )
    if len(named) > 1:
        used = [shard.name for those in named.values() for shard in those]
        return own_parts(
            {part: EncodedPart(_Records(those), options, quiet) for part, those in named.items()},
            options,
            path,
            {part: [shard.name for shard in those] for part, those in named.items()},
            notes_on_others(inside, used),
        )
    count = len(_Records(shards))
    return split_parts(
        [str(index) for index in range(count)],
        options,
        path,
        lambda chosen: EncodedPart(_Records(shards, chosen), options, quiet),
        notes_on_others(inside, [shard.name for shard in shards]),
    )


def _is_shard(name: str, kind: str) -> bool:
    return kind in _KINDS or (".tfrecord" in name and kind not in (HIDDEN, FOLDER))


class _Records:
    """The encoded pictures of shards, read from the disk each time.

    Args:
        shards: files, in order.
        chosen: bool (number of records,): true for those that are wanted; all are if not given.
    """

    def __init__(self, shards: Sequence[Path], chosen: NDArray[np.bool_] | None = None) -> None:
        self._tf = import_tensorflow()
        self._shards, self._chosen = shards, chosen

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self._all()) if self._chosen is None else int(self._chosen.sum())

    def __iter__(self) -> Iterator[Encoded]:
        for index, (name, record) in enumerate(self._all()):
            if self._chosen is None or self._chosen[index]:
                yield name, _encoded_picture(self._tf, record, name)

    def _all(self) -> Iterator[tuple[str, bytes]]:
        for shard in self._shards:
            for number, record in enumerate(_records(self._tf, shard)):
                yield f"{shard}: record {number}", record


def _records(tf: ModuleType, shard: Path) -> Iterator[bytes]:
    # tf.data would start TensorFlow, after which a run can no longer set its threads, and is slower one by one.
    # Unwrapped, it does not say that it is deprecated.
    read = inspect.unwrap(tf.compat.v1.io.tf_record_iterator)
    compressed = {"gzip": "GZIP", "zlib": "ZLIB"}.get(file_kind(shard).split(" of ")[0])
    number, size = 0, 0
    try:
        for record in read(str(shard), compressed):
            yield record
            number, size = number + 1, size + len(record) + _FRAME_BYTES
    except tf.errors.OpError as error:
        raise InputError(f"{shard}: record {number} cannot be read: {error.message}; get the file again") from error
    # What is left of a record without its length is the file's end to TensorFlow.
    if not compressed and size != shard.stat().st_size:
        raise InputError(
            f"{shard}: record {number} is cut short: expected the file to end after {size:,} bytes, "
            f"found {shard.stat().st_size:,}; get the file again"
        )


def _encoded_picture(tf: ModuleType, record: bytes, name: str) -> bytes:
    try:
        features = tf.train.Example.FromString(record).features.feature
    except Exception as error:  # protobuf's own
        raise InputError(f"{name}: expected a tf.train.Example: {error}") from error
    for feature in FEATURES:
        if feature in features and features[feature].bytes_list.value:
            return features[feature].bytes_list.value[0]
    found = ", ".join(f"{feature} ({features[feature].WhichOneof('kind')})" for feature in sorted(features)) or "none"
    raise InputError(f"{name}: expected a bytes feature {', '.join(FEATURES)} with an encoded picture, found {found}")

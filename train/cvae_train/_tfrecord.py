"""Shards of TFRecords whose Examples hold encoded pictures."""

import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError

from ._encoded import Encoded, EncodedPart
from ._options import DataOptions
from ._parts import Parts, own_parts, split_parts
from ._tensorflow import import_tensorflow

FEATURES = ("image/encoded", "image", "image_raw")

_FRAME_BYTES = 16  # a record's length, and two checksums


def tfrecords(path: Path, options: DataOptions, quiet: bool) -> Parts | None:
    """The pictures of one shard or of a folder's: those named for training and for testing, or some of all held out.

    Raises:
        InputError: a shard is damaged, or all together hold fewer than two records.
    """
    if path.is_file():
        shards = [path] if ".tfrecord" in path.name else []
    else:
        shards = sorted(shard for shard in path.glob("*.tfrecord*") if not shard.name.startswith("."))
    if not shards:
        return None
    train, test, validation = ([s for s in shards if _part_of(s) == part] for part in ("train", "test", "val"))
    test = test or validation
    if train and test:
        trained, tested = (EncodedPart(_Records(part), options, quiet) for part in (train, test))
        return own_parts(trained, tested, options, path)
    count = len(_Records(shards))
    return split_parts(
        [str(index) for index in range(count)],
        options,
        path,
        lambda chosen: EncodedPart(_Records(shards, chosen), options, quiet),
    )


def _part_of(shard: Path) -> str | None:
    """What the last word of a shard's name says that begins so: "train" of ``test-set-train.tfrecord-0000-of-0002``."""
    named = re.findall("(?<![a-z])(train|test|val)", shard.name.lower())
    return named[-1] if named else None


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
    compressed = shard.suffix == ".gz"
    number, size = 0, 0
    try:
        for record in read(str(shard), "GZIP" if compressed else None):
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

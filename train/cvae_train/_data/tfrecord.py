"""TFRecord shards whose Examples hold encoded images."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import InputError
from cvae_runtime.images import file_kind

from .._tensorflow import import_tensorflow
from .encoded_images import Encoded, EncodedSplit
from .options import DataOptions
from .split_names import SplitName, split_named_by
from .splits import FOLDER, HIDDEN, Source, describe_unused, source_with_holdout, source_with_splits

FEATURES = ("image/encoded", "image", "image_raw")
LABELS = ("image/class/text", "label", "image/class/label")

_KINDS = ("TFRecord", "gzip of TFRecord", "zlib of TFRecord")
_FRAME_BYTES = 16  # length and two checksums of a record


def tfrecords(path: Path, options: DataOptions, quiet: bool, inside: Mapping[str, str], _labels: bool) -> Source | None:
    """Open one shard or the shards of a folder: the splits that their names give, or one set to divide.

    Raises:
        InputError: a shard is damaged; some shards have names for testing or validation, but none for training; or
            there are fewer than two records.
    """
    if path.is_file():
        shards = [path] if _is_shard(path.name, file_kind(path)) else []
    else:
        shards = [path / name for name, kind in inside.items() if _is_shard(name, kind)]
    if not shards:
        return None
    named: dict[SplitName, list[Path]] = {}
    for shard in shards if path.is_dir() else ():
        if split := split_named_by(shard.name):
            named.setdefault(split, []).append(shard)
    if named and "train" not in named:
        held = next(iter(named.values()))[0].name
        raise InputError(
            f"{path}: expected shards named train beside {held}, whose name excludes it from training, found none; "
            f"rename the shards to train on, or {held}"
        )
    if len(named) > 1:
        used = [shard.name for group in named.values() for shard in group]
        return source_with_splits(
            {split: EncodedSplit(_Records(group), options, quiet) for split, group in named.items()},
            options,
            path,
            {split: [shard.name for shard in group] for split, group in named.items()},
            describe_unused(inside, used),
        )
    count = len(_Records(shards))
    return source_with_holdout(
        [str(index) for index in range(count)],
        options,
        path,
        lambda chosen: EncodedSplit(_Records(shards, chosen), options, quiet),
        describe_unused(inside, [shard.name for shard in shards]),
    )


def _is_shard(name: str, kind: str) -> bool:
    return kind in _KINDS or (".tfrecord" in name and kind not in (HIDDEN, FOLDER))


class _Records:
    """Encoded images of shards, read from disk on each iteration.

    Args:
        shards: files, in order.
        chosen: bool (number of records,), true for the records to read; default: all.
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
        labelled_by: str | None = None
        for index, (name, record) in enumerate(self._all()):
            if self._chosen is None or self._chosen[index]:
                features = _features(self._tf, record, name)
                if labelled_by is None:
                    # One feature for all records, since another one may name the classes differently.
                    labelled_by = next((feature for feature in LABELS if _label(features, feature)), "")
                yield Encoded(name, _encoded_image(features, name), _label(features, labelled_by))

    def _all(self) -> Iterator[tuple[str, bytes]]:
        for shard in self._shards:
            for number, record in enumerate(_records(self._tf, shard)):
                yield f"{shard}: record {number}", record


def _records(tf: ModuleType, shard: Path) -> Iterator[bytes]:
    # tf.data would initialize TensorFlow, after which a run cannot set its threads; it is also slower per record.
    # inspect.unwrap avoids the deprecation warning.
    read = inspect.unwrap(tf.compat.v1.io.tf_record_iterator)
    compressed = {"gzip": "GZIP", "zlib": "ZLIB"}.get(file_kind(shard).split(" of ")[0])
    number, size = 0, 0
    try:
        for record in read(str(shard), compressed):
            yield record
            number, size = number + 1, size + len(record) + _FRAME_BYTES
    except tf.errors.OpError as error:
        raise InputError(f"{shard}: record {number} cannot be read: {error.message}; get the file again") from error
    # TensorFlow takes a truncated length field for the end of the file.
    if not compressed and size != shard.stat().st_size:
        raise InputError(
            f"{shard}: record {number} is truncated: expected the file to end after {size:,} bytes, "
            f"found {shard.stat().st_size:,}; get the file again"
        )


def _features(tf: ModuleType, record: bytes, name: str) -> Mapping[str, Any]:
    try:
        return tf.train.Example.FromString(record).features.feature
    except Exception as error:  # protobuf's exceptions
        raise InputError(f"{name}: expected a tf.train.Example: {error}") from error


def _encoded_image(features: Mapping[str, Any], name: str) -> bytes:
    for feature in FEATURES:
        if feature in features and features[feature].bytes_list.value:
            return features[feature].bytes_list.value[0]
    found = ", ".join(f"{feature} ({features[feature].WhichOneof('kind')})" for feature in sorted(features)) or "none"
    raise InputError(f"{name}: expected a bytes feature {', '.join(FEATURES)} with an encoded image, found {found}")


def _label(features: Mapping[str, Any], feature: str) -> str | None:
    """Class that a feature names; None if it has no value or several, or is neither an integer nor text."""
    if feature not in features:
        return None
    values = [*features[feature].int64_list.value, *features[feature].bytes_list.value]
    if len(values) != 1:
        return None
    try:
        text = values[0].decode() if isinstance(values[0], bytes) else str(values[0])
    except UnicodeDecodeError:  # such as a mask
        return None
    return sys.intern(text) or None

"""Recognize training, test and validation sets by the names of folders, shards and arrays."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

SplitName = Literal["train", "test", "validation"]

_WORDS: Mapping[SplitName, str] = {
    "train": "train|training",
    "test": "test|tests|testing|t10k|eval|evaluation|holdout",
    "validation": "val|valid|validation|dev",
}
_FILLER = "x|data|dataset|images?|imgs?|pictures?|photos?|samples?|set|split|part"
_LABELS = "y|labels?|targets?"
_SPLIT = {split: re.compile(f"({words})({_FILLER})?") for split, words in _WORDS.items()}
# Words of letters, also in "TrainSet" and "testA". Digits only number shards, except in MNIST's "t10k".
_WORD = re.compile("t10k|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def split_named_by(name: str) -> SplitName | None:
    """Split that a name contains, the last one if several: "train" for ``test-set-train.tfrecord-0000-of-0002``."""
    return next((split for word in reversed(_words(name)) if (split := _split(word))), None)


def names_only_a_split(name: str) -> bool:
    """Whether a name is one split with filler words: ``val``, ``Test_Images``, ``x_train``, but not ``test tubes``."""
    words = _words(name)
    return sum(_split(word) is not None for word in words) == 1 and not any(map(_is_specific, words))


def names_labels_of_a_split(name: str) -> bool:
    """Whether a name is a split with a word for labels: ``y_train``, ``TestLabels``, but not ``train_labels_fine``."""
    words = _words(name)
    others = [word for word in words if _split(word) is None]
    of_labels = [word for word in others if re.fullmatch(_LABELS, word)]
    return len(words) - len(others) == len(of_labels) == 1 and not any(map(_is_specific, set(others) - set(of_labels)))


def splits_of_siblings(folders: Iterable[str]) -> dict[str, SplitName]:
    """Find the splits among the subfolders of one folder, by their names.

    Returns:
        The split of each subfolder that names one. Empty unless a training folder and a test or validation folder have
        the same other words in their names, such as ``seg_train`` and ``seg_test``, or none.
    """
    splits = {name: split for name in folders if (split := split_named_by(name))}
    by_other_words: dict[tuple[str, ...], set[SplitName]] = {}
    for name, split in splits.items():
        by_other_words.setdefault(_other_words(name), set()).add(split)
    return splits if any("train" in found and len(found) > 1 for found in by_other_words.values()) else {}


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _split(word: str) -> SplitName | None:
    return next((split for split, pattern in _SPLIT.items() if pattern.fullmatch(word)), None)


def _other_words(name: str) -> tuple[str, ...]:
    """Words other than the split, fillers, and single letters, which number things as in ``trainA``."""
    return tuple(word for word in _words(name) if len(word) > 1 and _is_specific(word))


def _is_specific(word: str) -> bool:
    return _split(word) is None and re.fullmatch(_FILLER, word) is None

"""What the names of folders, shards and arrays say: which images are for training, which are held back."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

PartName = Literal["train", "test", "validation"]

_WORDS: Mapping[PartName, str] = {
    "train": "train|training",
    "test": "test|tests|testing|t10k|eval|evaluation|holdout",
    "validation": "val|valid|validation|dev",
}
_FILLER = "x|data|dataset|images?|imgs?|pictures?|photos?|samples?|set|split|part"
_PART = {part: re.compile(f"({words})({_FILLER})?") for part, words in _WORDS.items()}
# Words of letters, also where only capitals part them: "TrainSet", "testA"; digits count shards, but for MNIST's t10k.
_WORD = re.compile("t10k|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def part_of(name: str) -> PartName | None:
    """Which part the last word of a name says that names one: "train" of ``test-set-train.tfrecord-0000-of-0002``."""
    return next((part for word in reversed(_words(name)) if (part := _part(word))), None)


def is_part_name(name: str) -> bool:
    """Whether a name says which part it is and nothing else: ``val``, ``Test_Images``, ``x_train``, not ``test tubes``."""
    words = _words(name)
    return sum(_part(word) is not None for word in words) == 1 and not any(map(_says_more, words))


def held_back(folders: Iterable[str]) -> dict[str, PartName]:
    """Which of the folders that lie in one folder are its parts, by their names.

    Returns:
        The part of each that is one; none are unless there are both one for training and one held back, whose names
        say nothing else or the same: ``seg_train`` and ``seg_test``.
    """
    parts = {name: part for name in folders if (part := part_of(name))}
    rests: dict[tuple[str, ...], set[PartName]] = {}
    for name, part in parts.items():
        rests.setdefault(_rest(name), set()).add(part)
    return parts if any("train" in found and len(found) > 1 for found in rests.values()) else {}


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _part(word: str) -> PartName | None:
    return next((part for part, pattern in _PART.items() if pattern.fullmatch(word)), None)


def _rest(name: str) -> tuple[str, ...]:
    """The words that say more than the part; letters number things, as in ``trainA``."""
    return tuple(word for word in _words(name) if len(word) > 1 and _says_more(word))


def _says_more(word: str) -> bool:
    return _part(word) is None and re.fullmatch(_FILLER, word) is None

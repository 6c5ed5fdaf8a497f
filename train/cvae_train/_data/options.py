"""How images are read from where they lie, as frozen data that a run's ``config.json`` repeats."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cvae_runtime import InputError

TEST_FRACTION = 0.1
SIZES_NAMED = 5

Shape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """What is done with images on their way into a `Dataset`.

    Attributes:
        image_size: (H, W) in pixels: every picture is scaled to cover it and cropped evenly. None: all have one size.
        channels: 1 turns colour grey, 3 turns grey into RGB. None: 1 if every picture is grey, otherwise 3.
        test_fraction: part of the pictures that is held out for testing, between 0 and 1, where a source has no test
            part of its own. None: a tenth.
        skip_bad: leave out pictures that cannot be read. Otherwise they are an error.
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    test_fraction: float | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.image_size is not None:
            height, width = self.image_size
            if min(height, width) < 1:
                raise InputError(f"image_size must be a height and width of at least 1 pixel; found {self.image_size}")
        if self.channels not in (None, 1, 3):
            raise InputError(f"channels must be 1 or 3; found {self.channels}")
        if self.test_fraction is not None and not 0.0 < self.test_fraction < 1.0:
            raise InputError(f"test_fraction must be between 0 and 1; found {self.test_fraction}")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "DataOptions":
        """The opposite of `dataclasses.asdict`, after JSON has made a list of the size."""
        size = fields.get("image_size")
        return cls(**{**fields, "image_size": None if size is None else tuple(size)})

    def shape_of(self, found: Mapping[Shape, int], source: str) -> Shape:
        """The shape (H, W, C) that all images get.

        Args:
            found: how many have which shape (H, W, C).
            source: what errors call the images.

        Raises:
            InputError: there are none, or they have several sizes and none was asked for.
        """
        if not found:
            raise InputError(f"{source}: expected at least one picture, found none")
        sizes: Counter[tuple[int, int]] = Counter()
        for (height, width, _), count in found.items():
            sizes[height, width] += count
        if self.image_size is None and len(sizes) > 1:
            named = [f"{width}x{height} ({count:,})" for (height, width), count in sizes.most_common(SIZES_NAMED)]
            more = f" and {len(sizes) - SIZES_NAMED:,} more" if len(sizes) > SIZES_NAMED else ""
            raise InputError(
                f"{source}: expected pictures of one size, found {len(sizes):,} (width x height): "
                f"{', '.join(named)}{more}; say --image-size to scale and crop them to one"
            )
        return (*(self.image_size or next(iter(sizes))), self.channels or max(channels for *_, channels in found))


AS_THEY_ARE = DataOptions()

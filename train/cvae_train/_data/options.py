"""Options for reading images, as stored in a run's ``config.json``."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cvae_runtime import InputError

TEST_FRACTION = 0.1
SIZES_LISTED = 5  # in an error

Shape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Options for reading images into a `Dataset`.

    Attributes:
        image_size: (H, W) in pixels; every image is scaled to cover this size and cropped evenly. None: keep the size
            of the images, which must all have the same.
        channels: 1 converts colour to grey, 3 converts grey to RGB. None: 1 if every image is grey, otherwise 3.
        test_fraction: fraction of the images to hold out for testing, between 0 and 1, if the source has no test set.
            None: a tenth.
        skip_bad: leave out images that cannot be read, instead of raising an error.

    Examples:
        >>> cvae_train.load_data("images.npz", cvae_train.DataOptions(image_size=(16, 16))).image_shape
        (16, 16, 1)
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
        """Convert from JSON values, in which the size is a list."""
        size = fields.get("image_size")
        return cls(**{**fields, "image_size": None if size is None else tuple(size)})

    def set_fields(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, by name."""
        return {name: value for name, value in vars(self).items() if value not in (None, False)}

    def shape_of(self, found: Mapping[Shape, int], source: str) -> Shape:
        """Choose the shape (H, W, C) that all images are converted to.

        Args:
            found: number of images of each shape (H, W, C).
            source: name of the source in errors.

        Raises:
            InputError: there are no images, or they have several sizes and ``image_size`` is None.
        """
        if not found:
            raise InputError(f"{source}: expected at least one image, found none")
        sizes: Counter[tuple[int, int]] = Counter()
        for (height, width, _), count in found.items():
            sizes[height, width] += count
        if self.image_size is None and len(sizes) > 1:
            listed = [f"{width}x{height} ({count:,})" for (height, width), count in sizes.most_common(SIZES_LISTED)]
            more = f" and {len(sizes) - SIZES_LISTED:,} more" if len(sizes) > SIZES_LISTED else ""
            raise InputError(
                f"{source}: expected images of one size, found {len(sizes):,} sizes (width x height): "
                f"{', '.join(listed)}{more}; pass --image-size to scale and crop them to one"
            )
        return (*(self.image_size or next(iter(sizes))), self.channels or max(channels for *_, channels in found))


AS_THEY_ARE = DataOptions()

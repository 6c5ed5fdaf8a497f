"""`Detection`: how strange images are, which raise an alarm, and where."""

import dataclasses
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .._errors import InputError
from .._images import Box, draw_heat, find_box, smooth_maps


@dataclasses.dataclass(frozen=True, repr=False)
class Detection:
    """The decisions about N images of a calibrated bundle's detector.

    Attributes:
        score: how strange each image is, float32 (N,). The manifest's ``detector`` names the score.
        p_value: share of good images that are at least as strange, float32 (N,); see docs/formats.md.
        alarm: whether the p-value is at most the rate of false alarms of the calibration, bool (N,).
        map: how strange each pixel is, in nats, float32 (N, H, W); its expectation over good images is 0.
        map_threshold: the value of a smoothed map above which a pixel belongs to a conspicuous region.

    Examples:
        >>> image_map = np.zeros((1, 5, 5), np.float32)
        >>> image_map[0, 1:4, 1:4] = 9.0
        >>> numbers = np.float32([40.0]), np.float32([0.01]), np.array([True])
        >>> detection = cvae.Detection(*numbers, map=image_map, map_threshold=4.5)
        >>> detection
        <Detection of 1 image: 1 alarm; p-values 0.01 to 0.01>
        >>> detection.boxes()
        [Box(top=1, left=1, bottom=4, right=4)]
    """

    score: NDArray[np.float32]
    p_value: NDArray[np.float32]
    alarm: NDArray[np.bool_]
    map: NDArray[np.float32]
    map_threshold: float

    def boxes(self) -> list[Box | None]:
        """Return the box of each image that raises an alarm, around its largest conspicuous region.

        Returns:
            N boxes; None for an image without an alarm, and for one in which no region is conspicuous.
        """
        return [
            find_box(values, self.map_threshold) if alarm else None
            for values, alarm in zip(self._smooth, self.alarm, strict=True)
        ]

    def draw(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw the images with their heat maps in red, and a red frame around the box of each alarm.

        Args:
            images: the images that `Model.detect` got, in the same order: uint8 (N, H, W, C), or (N, H, W).

        Returns:
            uint8 (N, H, W, 3).

        Raises:
            InputError: another shape or dtype.
        """
        batch = images[..., np.newaxis] if images.ndim == 3 else images
        if batch.dtype != np.uint8 or batch.shape[:-1] != self.map.shape:
            raise InputError(
                f"images must be those that detect() got, uint8 of shape {(*self.map.shape, 'C')}; "
                f"found {images.dtype} of shape {images.shape}"
            )
        return draw_heat(batch, self._smooth, self.map_threshold, self.boxes())

    @cached_property
    def _smooth(self) -> NDArray[np.float64]:
        return smooth_maps(self.map)

    def __repr__(self) -> str:
        count, alarms = len(self.score), int(self.alarm.sum())
        return (
            f"<Detection of {count:,} image{'' if count == 1 else 's'}: {alarms:,} alarm{'' if alarms == 1 else 's'}; "
            f"p-values {self.p_value.min():.3g} to {self.p_value.max():.3g}>"
        )

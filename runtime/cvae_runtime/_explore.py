"""Views of the latent space: interpolation, traversal of single dimensions, and grids over two dimensions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._check import check_int, check_latents, check_memory
from ._errors import InputError
from ._images import to_uint8
from ._math import Method, check_dimensions, check_span, interpolate_latents, manifold_latents, traversal_latents
from ._score import Posterior

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

TRAVERSED = 10  # dimensions of a traversal by default


class Explorer(ABC):
    """The methods of `Model` that need only `encode` and `decode`.

    Attributes:
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int

    @abstractmethod
    def encode(self, images: Images) -> Posterior:
        """Encode raw pixels, uint8 (N, H, W, C) or (N, H, W), to their posterior."""

    @abstractmethod
    def decode(self, z: Floats) -> Floats:
        """Decode latents, float32 (N, L), to images, float32 (N, H, W, C)."""

    def interpolate(self, a: NDArray[Any], b: NDArray[Any], *, steps: int = 8, method: Method = "linear") -> Floats:
        """Decode evenly spaced latents between two ends.

        Args:
            a, b: each a latent, float32 (L,), or an image, uint8 (H, W, C) or (H, W), which is encoded to its mean.
            steps: number of images, both ends included; at least 2.
            method: "linear", or "spherical" (Shoemake, "Animating rotation with quaternion curves", 1985), whose
                latents keep the length that is typical of the prior.

        Returns:
            float32 (steps, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype or shape, fewer than 2 steps, an unknown method, or more images than memory holds.
        """
        steps = check_int("steps", steps, 2)
        check_memory(steps, self.image_shape)
        start, end = self._as_latent(a, "a"), self._as_latent(b, "b")
        return self.decode(interpolate_latents(start, end, steps, method))

    def traverse(
        self, start: NDArray[Any], dimensions: Sequence[int] | None = None, *, steps: int = 7, span: float = 3.0
    ) -> Floats:
        """Vary one latent dimension at a time and decode the latents.

        Args:
            start: a latent, float32 (L,), or an image, uint8 (H, W, C) or (H, W), which is encoded to its mean.
            dimensions: D distinct dimensions, 0 to L - 1. Default: the first 10 of `rank_dimensions`.
            steps: images per dimension, at least 2. If odd, the middle image is decoded from ``start`` itself.
            span: largest offset below and above the value in ``start``; the prior's standard deviation is 1.

        Returns:
            float32 (D, steps, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype or shape, a number out of range, or more images than memory holds.
        """
        steps, span = check_int("steps", steps, 2), check_span(span)
        latent = self._as_latent(start, "start")
        chosen = check_dimensions(
            self.rank_dimensions(start)[:TRAVERSED] if dimensions is None else dimensions, self.latent_dim
        )
        check_memory(len(chosen) * steps, self.image_shape)
        return self._decode_grid(traversal_latents(latent, chosen, steps, span))

    def manifold(self, steps: int = 20, *, dimensions: Sequence[int] | None = None) -> Floats:
        """Decode a grid over two latent dimensions, from the prior's 5 % quantile to its 95 % quantile.

        All other dimensions are 0.

        Args:
            steps: images per side, at least 2.
            dimensions: two distinct dimensions: the first grows down the rows, the second along the columns. Default:
                the first two of `rank_dimensions`, in ascending order.

        Returns:
            float32 (steps, steps, H, W, C), in [0, 1].

        Raises:
            InputError: a number out of range, not exactly two dimensions, or more images than memory holds.
        """
        steps = check_int("steps", steps, 2)
        check_memory(steps * steps, self.image_shape)
        if dimensions is None:
            dimensions = sorted(self.rank_dimensions()[:2])
        chosen = check_dimensions(dimensions, self.latent_dim)
        if len(chosen) != 2:
            raise InputError(f"a manifold needs exactly 2 latent dimensions; found {len(chosen)}")
        return self._decode_grid(manifold_latents(self.latent_dim, chosen, steps))

    def rank_dimensions(self, start: NDArray[Any] | None = None) -> list[int]:
        """Rank the latent dimensions by posterior variance, ascending.

        An unused dimension has the prior as its posterior, and ranks last.

        Args:
            start: an image, uint8 (H, W, C) or (H, W), or a latent, float32 (L,), which is decoded to an image.
                Default: the latent 0, the mean of the prior.

        Returns:
            All L dimensions, by ascending logvar of the image's posterior.

        Raises:
            InputError: wrong dtype or shape.
        """
        start = np.zeros(self.latent_dim, np.float32) if start is None else start
        latent = self._as_latent(start, "start")
        image = start if start.dtype == np.uint8 else to_uint8(self.decode(latent[np.newaxis]))[0]
        ranked: list[int] = self.encode(image[np.newaxis]).logvar[0].argsort(kind="stable").tolist()
        return ranked

    def _as_latent(self, value: Any, name: str) -> Floats:
        shapes = {(self.latent_dim,), self.image_shape} | (
            {self.image_shape[:2]} if self.image_shape[2] == 1 else set()
        )
        if not isinstance(value, np.ndarray) or value.shape not in shapes:
            found = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise InputError(
                f"{name} must be a latent, float32 ({self.latent_dim},), or an image, uint8 {self.image_shape}; "
                f"found {found}"
            )
        one = value[np.newaxis]
        vectors = self.encode(one).mean if value.dtype == np.uint8 else check_latents(one, self.latent_dim)
        vector: Floats = vectors[0]
        return vector

    def _decode_grid(self, latents: Floats) -> Floats:
        """Decode float32 (rows, columns, L) to float32 (rows, columns, H, W, C)."""
        images = self.decode(latents.reshape(-1, self.latent_dim))
        return images.reshape(*latents.shape[:2], *self.image_shape)

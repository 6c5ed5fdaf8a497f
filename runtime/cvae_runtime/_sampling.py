"""Sampling: one array of samples, or a stream of batches."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ._bundle import Manifest
from ._check import check_int, check_memory, check_temperature
from ._errors import InputError
from ._math import RNG_NAME, check_range, prior_latents, stream_end

Dtype = Literal["float32", "uint8"]
Latents = Callable[[int, int], NDArray[np.float32]]

_BATCH_BYTES = 4 << 20  # of a batch: large, since threads wait for each other at its end


class Sampler(ABC):
    """The methods of `Model` that draw samples.

    Attributes:
        manifest: the bundle's manifest.
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
        threads: number of micro-batches that run at the same time on the CPU.
    """

    manifest: Manifest
    image_shape: tuple[int, int, int]
    latent_dim: int
    threads: int

    @property
    @abstractmethod
    def micro_batch(self) -> int:
        """Largest number of samples in one call of the decoder."""

    @abstractmethod
    def _decode(
        self,
        latents: Latents,
        count: int,
        outputs: Sequence[str] = ("probs",),
        *,
        dtype: Dtype = "float32",
        aligned: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """Decode latents that ``latents(start, stop)`` computes; with ``aligned``, in aligned micro-batches only.

        Returns:
            The decoder's outputs by name, ``dtype`` (count, ...) each.
        """

    def generate(
        self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0, dtype: Dtype = "float32"
    ) -> NDArray[Any]:
        """Draw samples ``first .. first + count - 1`` of the stream of ``seed``.

        Args:
            count: number of samples, at least 1.
            seed: unsigned 64-bit number. A sample is a function of seed and index alone.
            first: index of the first sample.
            temperature: factor on the latents. Samples are more typical below 1 and more varied above 1.
            dtype: "float32", or "uint8" for grey levels, which equal those of `to_uint8` and take less memory.

        Returns:
            float32 (count, H, W, C), the expected image of each sample, in [0, 1]; or uint8 of the same shape.

        Raises:
            InputError: a number out of range, an unknown dtype, random numbers that this version does not know, or
                more images than memory holds.
        """
        self.check_generate(count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        return self._draw(int(first), int(first) + int(count), seed, temperature, dtype)

    def stream(
        self,
        count: int,
        *,
        seed: int = 0,
        first: int = 0,
        batch: int | None = None,
        temperature: float = 1.0,
        dtype: Dtype = "float32",
    ) -> Iterator[NDArray[Any]]:
        """Draw samples ``first .. first + count - 1`` of the stream of ``seed``, a batch at a time.

        Micro-batches start at multiples of `micro_batch` in the sample's index and are decoded whole. So a sample has
        the same bits for every ``first``, ``count``, ``batch`` and number of threads. `generate` splits small calls
        into smaller parts, and its samples differ from these by less than 1e-6.

        Args:
            count: number of samples, at least 1. Memory limits only the size of a batch.
            seed, first, temperature, dtype: as for `generate`.
            batch: samples per batch. Default: some MiB of images.

        Returns:
            An iterator of new arrays (batch, H, W, C), of ``dtype``. The last one may be shorter.

        Raises:
            InputError: a number out of range, an unknown dtype, random numbers that this version does not know, or a
                batch that exceeds memory. The call raises, not the iterator.
        """
        self.check_samples(count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        size = self.micro_batch
        if batch is None:
            batch = size * max(self.threads, _BATCH_BYTES // (4 * math.prod(self.image_shape)) // size)
        batch = check_int("batch", batch, 1)
        # Both ends of a batch may be inside a micro-batch, which is decoded whole.
        check_memory(min(batch, int(count)) + 2 * size, self.image_shape)
        first, end = int(first), int(first) + int(count)

        def samples(start: int, stop: int) -> NDArray[Any]:
            low, high = start - start % size, min(stop + -stop % size, stream_end(self.latent_dim))
            return self._draw(low, high, seed, temperature, dtype, aligned=True)[start - low : stop - low]

        return (samples(start, min(start + batch, end)) for start in range(first, end, batch))

    def check_generate(
        self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0, dtype: Dtype = "float32"
    ) -> None:
        """Raise the `InputError` that `generate` would raise for these arguments."""
        self.check_samples(count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        check_memory(int(count), self.image_shape)

    def check_samples(
        self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0, dtype: Dtype = "float32"
    ) -> None:
        """Raise the `InputError` that `stream` would raise for these arguments, apart from that of ``batch``."""
        check_int("count", count, 1)
        check_temperature(temperature)
        self.check_rng()
        check_range(seed, first, count, self.latent_dim)
        if dtype not in get_args(Dtype):
            raise InputError(f"dtype must be one of {', '.join(get_args(Dtype))}; found {dtype!r}")

    def check_rng(self) -> None:
        """Raise `InputError` if this version does not know the random numbers that the bundle specifies."""
        if (rng := self.manifest.model.rng) != RNG_NAME:
            raise InputError(
                f"the bundle specifies the random numbers {rng!r}, this version knows {RNG_NAME!r}; "
                f"draw latents yourself and decode them"
            )

    def _draw(
        self, first: int, end: int, seed: int, temperature: float, dtype: Dtype, *, aligned: bool = False
    ) -> NDArray[Any]:
        scale = np.float32(temperature)

        def latents(start: int, stop: int) -> NDArray[np.float32]:
            return prior_latents(seed, first + start, stop - start, self.latent_dim) * scale

        return self._decode(latents, end - first, dtype=dtype, aligned=aligned)["probs"]

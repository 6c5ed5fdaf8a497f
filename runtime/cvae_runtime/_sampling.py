"""Samples of a model: an array of them, or any number, a batch at a time."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ._bundle import Manifest
from ._check import check_memory, check_temperature, whole
from ._errors import InputError
from ._math import RNG_NAME, check_range, prior_latents, stream_end

Dtype = Literal["float32", "uint8"]
Latents = Callable[[int, int], NDArray[np.float32]]

_BATCH_BYTES = 4 << 20  # of a batch: enough that its end, where threads wait for each other, is a small part of it


class Sampler(ABC):
    """The part of a `Model` that draws samples.

    Attributes:
        manifest: what the bundle says of itself.
        image_shape: (H, W, C).
        latent_dim: L.
        threads: how many micro-batches run at a time on the CPU.
    """

    manifest: Manifest
    image_shape: tuple[int, int, int]
    latent_dim: int
    threads: int

    @property
    @abstractmethod
    def micro_batch(self) -> int:
        """How many samples a call of the decoder takes at most."""

    @abstractmethod
    def _decode(
        self,
        latents: Latents,
        count: int,
        outputs: Sequence[str] = ("probs",),
        *,
        dtype: Dtype = "float32",
        whole: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """Decode latents that are made on the way, in whole micro-batches alone if asked to."""

    def generate(
        self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0, dtype: Dtype = "float32"
    ) -> NDArray[Any]:
        """Draw samples ``first .. first + count - 1`` of the stream that ``seed`` names.

        Args:
            count: how many, at least 1.
            seed: unsigned 64-bit number. A sample is a function of seed and index alone.
            first: index of the first sample.
            temperature: factor on the latents; below 1 samples are more typical, above 1 more varied.
            dtype: "float32", or "uint8" for grey levels, as `to_uint8` makes them and with less memory.

        Returns:
            (count, H, W, C), the expected image of each sample, in [0, 1] or as grey levels.

        Raises:
            InputError: a number out of range, or more than memory holds.
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
        """Draw samples ``first .. first + count - 1`` of the stream that ``seed`` names, a batch at a time.

        Micro-batches are cut at multiples of `micro_batch` in the sample's index, and decoded whole. So a sample has the
        same bits wherever a stream begins, ends or is cut into batches, whatever the number of threads. `generate`, which
        cuts small calls into smaller parts, is within 1e-6 of them.

        Args:
            count: how many, at least 1; memory limits only a batch.
            seed, first, temperature, dtype: as for `generate`.
            batch: samples at a time; some MiB of them if not given.

        Returns:
            Yields (batch, H, W, C), the last one maybe shorter; each is the caller's own.

        Raises:
            InputError: a number out of range, or a batch that memory does not hold; before the first batch.
        """
        self.check_samples(count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        size = self.micro_batch
        if batch is None:
            batch = size * max(self.threads, _BATCH_BYTES // (4 * math.prod(self.image_shape)) // size)
        batch = whole("batch", batch, 1)
        # With the micro-batches that its ends may cut through.
        check_memory(min(batch, int(count)) + 2 * size, self.image_shape)
        first, end = int(first), int(first) + int(count)

        def samples(start: int, stop: int) -> NDArray[Any]:
            low, high = start - start % size, min(stop + -stop % size, stream_end(self.latent_dim))
            return self._draw(low, high, seed, temperature, dtype, whole=True)[start - low : stop - low]

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
        """Raise the `InputError` that `stream` would raise for these arguments, however much memory they take."""
        whole("count", count, 1)
        check_temperature(temperature)
        self.check_rng()
        check_range(seed, first, count, self.latent_dim)
        if dtype not in get_args(Dtype):
            raise InputError(f"dtype must be one of {', '.join(get_args(Dtype))}; found {dtype!r}")

    def check_rng(self) -> None:
        """Raise `InputError` if the bundle specifies random numbers that this version does not know."""
        if (rng := self.manifest.model.rng) != RNG_NAME:
            raise InputError(
                f"the bundle specifies the random numbers {rng!r}, this version knows {RNG_NAME!r}; "
                f"draw latents yourself and decode them"
            )

    def _draw(
        self, first: int, end: int, seed: int, temperature: float, dtype: Dtype, *, whole: bool = False
    ) -> NDArray[Any]:
        scale = np.float32(temperature)

        def latents(start: int, stop: int) -> NDArray[np.float32]:
            return prior_latents(seed, first + start, stop - start, self.latent_dim) * scale

        return self._decode(latents, end - first, dtype=dtype, whole=whole)["probs"]

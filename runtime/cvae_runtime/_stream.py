"""Any number of samples, a batch at a time."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ._check import check_memory
from ._random import stream_end
from ._whole import whole

_BATCH_BYTES = 4 << 20  # of a batch: enough that its end, where threads wait for each other, is a small part of it


class Streamer(ABC):
    """The part of a `Model` that needs only `generate`.

    Attributes:
        image_shape: (H, W, C).
        latent_dim: L.
        threads: how many micro-batches run at a time on the CPU.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int

    @property
    @abstractmethod
    def threads(self) -> int:
        """How many micro-batches run at a time on the CPU."""

    @property
    @abstractmethod
    def micro_batch(self) -> int:
        """How many samples a call of the decoder takes."""

    @abstractmethod
    def generate(self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0) -> NDArray[np.float32]:
        """Draw samples, float32 (count, H, W, C)."""

    @abstractmethod
    def check_samples(self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0) -> None:
        """Raise `InputError` for samples that are not there, however much memory they take."""

    def stream(
        self, count: int, *, seed: int = 0, first: int = 0, batch: int | None = None, temperature: float = 1.0
    ) -> Iterator[NDArray[np.float32]]:
        """Draw samples ``first .. first + count - 1`` of the stream that ``seed`` names, a batch at a time.

        Micro-batches are cut at multiples of `micro_batch` in the sample's index, and decoded whole. So a sample has the
        same bits wherever a stream begins, ends or is cut into batches; those of `generate` where ``first`` is such a
        multiple, and ``count`` too or the sample not in the last micro-batch, and within 1e-6 of them elsewhere.

        Args:
            count: how many, at least 1; memory limits only a batch.
            seed, first, temperature: as for `generate`.
            batch: samples at a time; some MiB of them if not given.

        Returns:
            Yields float32 (batch, H, W, C), in [0, 1], the last one maybe shorter; each is the caller's own.

        Raises:
            InputError: a number out of range, or a batch that memory does not hold; before the first batch.
        """
        self.check_samples(count, seed=seed, first=first, temperature=temperature)
        batch = self._batch() if batch is None else whole("batch", batch, 1)
        # With the micro-batches that its ends may cut through.
        check_memory(min(batch, int(count)) + 2 * self.micro_batch, self.image_shape)
        first, end = int(first), int(first) + int(count)

        def samples(start: int, stop: int) -> NDArray[np.float32]:
            size = self.micro_batch
            low, high = start - start % size, min(stop + -stop % size, stream_end(self.latent_dim))
            return self.generate(high - low, seed=seed, first=low, temperature=temperature)[start - low : stop - low]

        return (samples(start, min(start + batch, end)) for start in range(first, end, batch))

    def _batch(self) -> int:
        """Whole micro-batches, one at least for each thread."""
        wanted = _BATCH_BYTES // (4 * math.prod(self.image_shape)) // self.micro_batch
        return self.micro_batch * max(self.threads, wanted)

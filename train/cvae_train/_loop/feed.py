"""Feeds of images for the compiled loop: held on the device, or streamed from a memory-mapped file."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_AHEAD = 8  # batches to read in advance

Share = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # from the size of a batch to begin and end of a share


class Feed(Protocol):
    """Images in batches, in any order."""

    def open(self, order: tf.Tensor, batch: int, share: Share) -> Any:
        """Start a pass over the images with the indices ``order``, int32 (N,), in batches.

        Args:
            order: indices of the images.
            batch: images per batch.
            share: this worker's share of each batch.

        Returns:
            An object for `take`.
        """

    def take(self, opened: Any, begin: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the share of the next batch, positions ``begin .. end - 1``.

        Returns:
            The images, uint8 (B, H, W, C), and their indices, int32 (B,).
        """


class Resident:
    """All images as one tensor on the device."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = tf.constant(images)

    def open(self, order: tf.Tensor, batch: int, share: Share) -> tf.Tensor:  # noqa: ARG002
        """See `Feed`; returns the order."""
        return order

    def take(self, opened: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Feed`."""
        return tf.gather(self._images, opened[begin:end]), opened[begin:end]


class Streamed:
    """Images in a file, of which memory holds a few batches."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images

    def open(self, order: tf.Tensor, batch: int, share: Share) -> Any:
        """See `Feed`; returns an iterator."""
        shape = [None, *self._images.shape[1:]]

        def read(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            begin, end = share(tf.shape(numbers)[0])
            numbers = numbers[begin:end]
            images = tf.numpy_function(lambda n: self._images[n], [numbers], tf.uint8)
            return tf.ensure_shape(images, shape), numbers

        numbers = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        # No autotuning: it tries out buffers that exceed the memory.
        return iter(numbers.map(read, num_parallel_calls=2, deterministic=True).prefetch(_AHEAD))

    def take(self, opened: Any, begin: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:  # noqa: ARG002
        """See `Feed`; the iterator has its own position, so ``begin`` and ``end`` are ignored."""
        return opened.get_next()


def feed(images: NDArray[np.uint8]) -> Feed:
    """Choose the feed: stream memory-mapped images, and hold others on the device."""
    return Streamed(images) if isinstance(images, np.memmap) else Resident(images)

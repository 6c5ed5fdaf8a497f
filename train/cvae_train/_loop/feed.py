"""Images to the compiled loop: held on the device, or streamed from a memory-mapped file that is larger than memory."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_AHEAD = 8  # batches that are read before they are wanted

Share = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # of a number of images: where it begins and ends


class Feed(Protocol):
    """Images by their numbers, in batches."""

    def open(self, order: tf.Tensor, batch: int, share: Share) -> Any:
        """Make ready to give the images of these numbers, int32 (N,), in this order: a share of every ``batch``."""

    def take(self, opened: Any, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """The images at the positions ``begin .. end - 1`` of the order, uint8 (B, H, W, C): the next batch's share."""


class Resident:
    """All images as one tensor."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = tf.constant(images)

    def open(self, order: tf.Tensor, batch: int, share: Share) -> tf.Tensor:  # noqa: ARG002
        """See `Feed`: the order itself."""
        return order

    def take(self, opened: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """See `Feed`."""
        return tf.gather(self._images, opened[begin:end])


class Streamed:
    """Images in a file; a few batches of them are in memory."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images

    def open(self, order: tf.Tensor, batch: int, share: Share) -> Any:
        """See `Feed`: an iterator."""
        shape = [None, *self._images.shape[1:]]

        def read(numbers: tf.Tensor) -> tf.Tensor:
            begin, end = share(tf.shape(numbers)[0])
            numbers = numbers[begin:end]
            return tf.ensure_shape(tf.numpy_function(lambda n: self._images[n], [numbers], tf.uint8), shape)

        numbers = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        # Not autotuned: what it would try out is memory.
        return iter(numbers.map(read, num_parallel_calls=2, deterministic=True).prefetch(_AHEAD))

    def take(self, opened: Any, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:  # noqa: ARG002
        """See `Feed`: the iterator knows the place."""
        return opened.get_next()


def feed(images: NDArray[np.uint8]) -> Feed:
    """Stream what is mapped from a file, and hold the rest."""
    return Streamed(images) if isinstance(images, np.memmap) else Resident(images)

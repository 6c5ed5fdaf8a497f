"""Random symmetric transformations of training images."""

import tensorflow as tf

from .._config import Augment


def augmented(images: tf.Tensor, kind: Augment, bits: tf.Tensor) -> tf.Tensor:
    """Transform each image on its own.

    Args:
        images: (B, H, W, C), of any dtype; with "dihedral", H = W.
        kind: see `TrainConfig.augment`.
        bits: 0 or 1, (B, 3): whether to mirror an image, flip it, and swap its rows and columns. Together they make the
            eight symmetries of a square. Those that are not of the kind are ignored.
    """
    transforms = {"none": 0, "mirror": 1, "mirror-flip": 2, "dihedral": 3}[kind]
    mirror, flip, transpose = (bits[:, n, tf.newaxis, tf.newaxis, tf.newaxis] == 1 for n in range(3))
    if transforms >= 1:
        images = tf.where(mirror, images[:, :, ::-1], images)
    if transforms >= 2:
        images = tf.where(flip, images[:, ::-1], images)
    if transforms >= 3:
        images = tf.where(transpose, tf.transpose(images, [0, 2, 1, 3]), images)
    return images

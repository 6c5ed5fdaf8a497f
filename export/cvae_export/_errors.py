"""Errors that need no TensorFlow."""

from cvae_runtime import CvaeError


class ParityError(CvaeError):
    """An exported graph differs from the trained model."""

    exit_code = 3

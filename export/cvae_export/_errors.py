"""Errors of this package that a command line knows without TensorFlow."""

from cvae_runtime import CvaeError


class ParityError(CvaeError):
    """An exported graph does not compute what the trained model does."""

    exit_code = 3

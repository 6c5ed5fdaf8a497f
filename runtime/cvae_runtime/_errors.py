"""The errors that this project raises on purpose.

Every message says what went wrong, what was expected, what was found and what to do about it. A console script
prints the message alone, without a traceback, and ends with the error's ``exit_code``.
"""


class CvaeError(Exception):
    """Base of every error of cvae-toolkit."""

    exit_code = 1


class InputError(CvaeError, ValueError):
    """An argument, an array or a file that cannot be used: wrong dtype, shape, range, or damaged data."""


class TargetExistsError(CvaeError, FileExistsError):
    """A file or folder to be written is there already and was not to be overwritten."""


class MissingExtraError(CvaeError, ImportError):
    """A dependency that belongs to an extra of cvae-toolkit is not installed."""


class ProviderError(CvaeError):
    """The execution provider asked for is not there or does not work."""

    exit_code = 4


class BundleError(CvaeError):
    """A bundle that cannot be used: missing files, a broken manifest, an unknown format version."""

    exit_code = 5


class IntegrityError(BundleError):
    """A file of a bundle is not the file that its manifest describes."""

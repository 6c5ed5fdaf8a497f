"""The exceptions of cvae-toolkit.

Every message states what went wrong, what was expected, what was found and what to do. A console script prints the
message without a traceback and exits with the error's ``exit_code``.
"""


class CvaeError(Exception):
    """Base class of all errors of cvae-toolkit."""

    exit_code = 1


class InputError(CvaeError, ValueError):
    """An argument, array or file is invalid: wrong dtype, shape or range, or damaged data."""


class TargetExistsError(CvaeError, FileExistsError):
    """The target file or folder exists, and the caller did not ask to overwrite it."""


class MissingExtraError(CvaeError, ImportError):
    """An optional dependency, which an extra of cvae-toolkit installs, is missing."""


class ParityError(CvaeError):
    """A graph's outputs differ from those of the trained model, or from a bundle's golden vectors."""

    exit_code = 3


class ProviderError(CvaeError):
    """The requested execution provider is not installed or does not work."""

    exit_code = 4


class BundleError(CvaeError):
    """A bundle is unusable: missing files, an invalid manifest or an unknown format version."""

    exit_code = 5


class IntegrityError(BundleError):
    """A file of a bundle differs from its entry in the manifest: wrong size or hash, or a link."""

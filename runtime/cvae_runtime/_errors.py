"""The exceptions of cvae-toolkit.

Every message states what went wrong, what was expected, what was found and what to do. A console script prints the
message without a traceback and exits with the error's ``exit_code``.
"""


class CvaeError(Exception):
    """Base class of all errors of cvae-toolkit.

    Examples:
        >>> try:
        ...     cvae.load("no-such-folder")
        ... except cvae.CvaeError as error:
        ...     print(type(error).__name__)
        BundleError
    """

    exit_code = 1


class InputError(CvaeError, ValueError):
    """An argument, array or file is invalid: wrong dtype, shape or range, or damaged data.

    Examples:
        >>> cvae.prior_latents(seed=-1, first=0, count=1, latent_dim=2)
        Traceback (most recent call last):
        cvae_runtime._errors.InputError: ...
    """


class TargetExistsError(CvaeError, FileExistsError):
    """The target file or folder exists, and the caller did not ask to overwrite it.

    Examples:
        >>> from pathlib import Path
        >>> from cvae_runtime import files
        >>> path = Path("samples.txt")
        >>> _ = path.write_text("mine")
        >>> files.refuse_existing(path, overwrite=False)
        Traceback (most recent call last):
        cvae_runtime._errors.TargetExistsError: ...
    """


class MissingExtraError(CvaeError, ImportError):
    """An optional dependency, which an extra of cvae-toolkit installs, is missing.

    Examples:
        >>> from cvae_runtime import system
        >>> system.require("no_such_package", "ray")
        Traceback (most recent call last):
        cvae_runtime._errors.MissingExtraError: ...
    """


class ProviderError(CvaeError):
    """The requested execution provider is not installed or does not work.

    Examples:
        >>> try:
        ...     model = cvae.load(provider="cuda")
        ... except cvae.ProviderError:
        ...     model = cvae.load(provider="cpu")
        >>> model.close()
    """

    exit_code = 4


class BundleError(CvaeError):
    """A bundle is unusable: missing files, an invalid manifest or an unknown format version.

    Examples:
        >>> cvae.read_bundle("no-such-folder")
        Traceback (most recent call last):
        cvae_runtime._errors.BundleError: ...
    """

    exit_code = 5


class IntegrityError(BundleError):
    """A file of a bundle differs from its entry in the manifest: wrong size or hash, or a link.

    Examples:
        >>> cvae.read_bundle(sha256="0" * 64)
        Traceback (most recent call last):
        cvae_runtime._errors.IntegrityError: ...
    """

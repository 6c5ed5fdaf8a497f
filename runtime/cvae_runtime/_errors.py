"""The exceptions of cvae-toolkit.

Every message states what went wrong, what was expected, what was found and what to do. A console script prints the
message without a traceback and exits with the error's ``exit_code``.
"""


class CvaeError(Exception):
    """Base class of all errors of cvae-toolkit.

    Examples:
        >>> try:
        ...     cvae.load("nowhere")
        ... except cvae.CvaeError as error:
        ...     print(type(error).__name__, error.exit_code)
        BundleError 5
    """

    exit_code = 1


class InputError(CvaeError, ValueError):
    """An argument, array or file is invalid: wrong dtype, shape or range, or damaged data.

    Examples:
        >>> try:
        ...     cvae.to_uint8(np.array([2.0]))
        ... except cvae.InputError as error:
        ...     print(error)
        images must be uint8, or floats in [0, 1]; found 2.000: scale or convert them
    """


class TargetExistsError(CvaeError, FileExistsError):
    """The target file or folder exists, and the caller did not ask to overwrite it.

    Examples:
        >>> issubclass(cvae.TargetExistsError, FileExistsError)
        True
    """


class MissingExtraError(CvaeError, ImportError):
    """An optional dependency, which an extra of cvae-toolkit installs, is missing.

    Examples:
        >>> issubclass(cvae.MissingExtraError, ImportError)
        True
    """


class ParityError(CvaeError):
    """A graph's outputs differ from those of the trained model, or from a bundle's golden vectors.

    Examples:
        >>> cvae.ParityError.exit_code
        3
    """

    exit_code = 3


class ProviderError(CvaeError):
    """The requested execution provider is not installed or does not work.

    Examples:
        >>> try:
        ...     cvae.load(provider="tensorrt")
        ... except cvae.ProviderError:
        ...     model = cvae.load(provider="cpu")
        >>> model.provider
        'cpu'
    """

    exit_code = 4


class BundleError(CvaeError):
    """A bundle is unusable: missing files, an invalid manifest or an unknown format version.

    Examples:
        >>> try:
        ...     cvae.read_bundle("nowhere")
        ... except cvae.BundleError:
        ...     print("export the model first")
        export the model first
    """

    exit_code = 5


class IntegrityError(BundleError):
    """A file of a bundle differs from its entry in the manifest: wrong size or hash, or a link.

    Examples:
        >>> try:
        ...     cvae.read_bundle(sha256=64 * "0")
        ... except cvae.IntegrityError:
        ...     print("another bundle")
        another bundle
    """

"""Read a bundle: the manifest, then every file that it names, all checked before ONNX Runtime opens a graph."""

import contextlib
import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from .._errors import BundleError, InputError, IntegrityError
from .._system import Layout, Owns, owns_names, shell_quote
from .check_path import check_bundle_path
from .manifest import MANIFEST_NAME, parse_manifest
from .manifest_types import DerivedFile, FileInfo, GraphInfo, Manifest
from .plain_graph import check_plain_graph

Packaged = Literal["mnist", "mnist-unlabelled"]
PACKAGED: tuple[Packaged, ...] = get_args(Packaged)  # the bundles of the package

_MANIFEST_LIMIT = 1 << 20  # bytes; a manifest takes some kilobytes
_FILE_LIMIT = (2 << 30) - 1  # bytes; the limit of a protobuf message, and so of an ONNX file
_READINGS = 1000  # attempts on a bundle that other processes keep replacing


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle in memory, whose files have the sizes and hashes of its manifest.

    Attributes:
        path: the bundle's folder.
        manifest: the parsed manifest, without the graphs in ``absent``.
        files: the checked bytes of every file that the manifest names, by file name. Sessions open these bytes.
        text: the bytes of ``manifest.json``.
        sha256: SHA-256 of ``text``, in hex. It identifies the bundle, since the manifest holds all other hashes.
        absent: names of the optional files that the manifest lists and the folder lacks.

    Examples:
        >>> bundle = cvae.read_bundle()
        >>> bundle.manifest.model.latent_dim, "encoder.onnx" in bundle.files
        (40, True)
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    text: bytes = dataclasses.field(repr=False)
    sha256: str
    absent: frozenset[str] = frozenset()


def _owns(folder: Path) -> Owns:
    with _Folder.opened(folder) as opened:
        manifest = parse_manifest(opened.read_manifest(), str(folder / MANIFEST_NAME))
    return owns_names(bundle_names(manifest))


BUNDLE_LAYOUT = Layout("a bundle", _owns)
"""The files that a bundle consists of.

Examples:
    >>> owns = files.check_replaceable(cvae.packaged_bundle(), bundle.BUNDLE_LAYOUT)
    >>> owns("encoder.onnx"), owns("notes.txt")
    (True, False)
"""


def packaged_bundle(name: Packaged = "mnist") -> Path:
    """Return the folder of a bundle that the package contains.

    Args:
        name: "mnist" is the model of digits with the label as an input. "mnist-unlabelled" is the same network with the
            same recipe, trained without labels.

    Raises:
        InputError: the package has no bundle of this name.

    Examples:
        >>> with cvae.load(cvae.packaged_bundle("mnist-unlabelled")) as model:
        ...     print(model.labels)
        None
    """
    if name not in PACKAGED:
        raise InputError(f"name: expected {' or '.join(PACKAGED)}, found {name!r}")
    return Path(__file__).parents[1] / "bundles" / name


def read_bundle(path: str | Path | None = None, sha256: str | None = None) -> Bundle:
    """Read and check a bundle. If another process replaces the bundle meanwhile, read it again.

    Only a bundle's decoder, ``prior`` and ``prior_density`` are required. Other files that the manifest lists may be
    absent.

    Args:
        path: the bundle's folder. Default: the packaged MNIST bundle.
        sha256: expected SHA-256 of ``manifest.json``, in hex. Default: any.

    Returns:
        The `Bundle`, with the bytes of its files.

    Raises:
        BundleError: the path is not a bundle, the manifest is invalid or of another format version, or a graph is not
            plain and self-contained.
        IntegrityError: a required file is missing, or a file is a link, or has another size or hash than in the
            manifest; or the manifest's own hash is not ``sha256``.

    Examples:
        >>> cvae.read_bundle().path == cvae.packaged_bundle()
        True
    """
    folder = packaged_bundle() if path is None else Path(path)
    for reading in range(1, _READINGS + 1):
        with _Folder.opened(folder) as opened:
            try:
                bundle = _read_whole(opened, sha256)
            except BundleError:
                if reading == _READINGS or not opened.is_replaced():
                    raise
                continue
            # A process that replaces the bundle removes the old files.
            if not bundle.absent or reading == _READINGS or not opened.is_replaced():
                return bundle
    raise AssertionError("the last reading returns or raises")


class _Folder:
    """A bundle's folder, opened once, so that all files come from one folder even if the path is replaced.

    Args:
        path: the folder's path.
        descriptor: file descriptor of the folder; None if the system cannot open files relative to a descriptor.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path, self._descriptor = path, descriptor
        self._real = path.resolve()
        self._identity = _identity(path if descriptor is None else descriptor)
        self._manifest: bytes | None = None

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator["_Folder"]:
        """Open a folder for the body of a ``with`` statement.

        Raises:
            BundleError: the path is not a bundle's folder, or cannot be read.
        """
        descriptor = None
        try:
            check_bundle_path(path)
            if os.open in os.supports_dir_fd:
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            folder = cls(path, descriptor)
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}; check its name and permissions") from error
        try:
            yield folder
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def is_replaced(self) -> bool:
        """Return whether the path now leads to another folder or another manifest."""
        try:
            if (self.path.resolve(), _identity(self.path)) != (self._real, self._identity):
                return True
            with _Folder.opened(self.path) as now:
                return now.read_manifest() != self._manifest
        except (OSError, RuntimeError, BundleError):  # resolve() raises RuntimeError for a cycle of links
            return False

    def read_manifest(self) -> bytes:
        """Read the bytes of ``manifest.json``, and keep them for `is_replaced`."""
        self._manifest = self.read(MANIFEST_NAME, None)
        return self._manifest

    def lacks(self, name: str) -> bool:
        """Return whether there is nothing under a name."""
        try:
            os.stat(self._place(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return True
        except OSError:  # reading the file raises, too
            return False
        return False

    def _place(self, name: str) -> str | Path:
        return self._real / name if self._descriptor is None else name

    def read(self, name: str, size: int | None) -> bytes:
        """Read a regular file without following links.

        Args:
            name: name of the file in the folder.
            size: expected size in bytes; None for the manifest, which may have any size up to a limit.

        Raises:
            BundleError: the file is too large, or the manifest cannot be read.
            IntegrityError: the file cannot be read, has another size, or is a link, a folder or a special file.
        """
        path = self.path / name
        place = self._place(name)
        try:
            if stat.S_ISLNK(os.stat(place, dir_fd=self._descriptor, follow_symlinks=False).st_mode):
                raise IntegrityError(
                    f"{path}: expected a file, found a link; "
                    f"copy the bundle without links: cp -RL {shell_quote(self.path)} COPY"
                )
            # O_NONBLOCK: opening a named pipe would otherwise wait for a writer forever.
            flags = (
                os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            )
            descriptor = os.open(place, flags, dir_fd=self._descriptor)
        except OSError as error:
            kind = IntegrityError if size is not None else BundleError
            raise kind(f"{path}: cannot be read: {error.strerror}; get the bundle again") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # os.fdopen fails on a folder
            os.close(descriptor)
            raise IntegrityError(f"{path}: expected a regular file; get the bundle again")
        with os.fdopen(descriptor, "rb") as file:
            if status.st_size > (limit := _MANIFEST_LIMIT if size is None else _FILE_LIMIT):
                raise BundleError(f"{path}: expected at most {limit:,} bytes, found {status.st_size:,}")
            if size is not None and (found := status.st_size) != size:
                raise IntegrityError(f"{path}: expected {size:,} bytes, found {found:,}; get the bundle again")
            return file.read(status.st_size)


def _identity(folder: Path | int) -> tuple[int, int, int]:
    status = folder.stat() if isinstance(folder, Path) else os.fstat(folder)
    return status.st_dev, status.st_ino, status.st_ctime_ns  # the system reuses inode numbers


def _read_whole(folder: _Folder, sha256: str | None) -> Bundle:
    source = folder.path / MANIFEST_NAME
    text = folder.read_manifest()
    digest = hashlib.sha256(text).hexdigest()
    if sha256 not in (None, digest):
        raise IntegrityError(
            f"{source}: expected SHA-256 {sha256}, found {digest}; this is another bundle: put the expected one there"
        )
    manifest = parse_manifest(text, str(source))
    files: dict[str, bytes] = {}
    digests: dict[str, str] = {}  # by file name, since several entries may name one file
    listed = _listed(manifest)
    required = {info.file for info in listed if _is_required(info)}
    absent = frozenset(name for name in {info.file for info in listed} - required if folder.lacks(name))
    for info in listed:
        if info.file in absent:
            continue
        path = folder.path / info.file
        if info.file not in files:
            files[info.file] = folder.read(info.file, info.bytes)
            digests[info.file] = hashlib.sha256(files[info.file]).hexdigest()
        if (found := digests[info.file]) != info.sha256:
            raise IntegrityError(
                f"{path}: expected SHA-256 {info.sha256}, found {found}; the file was changed or damaged: "
                f"get the bundle again"
            )
        if len(files[info.file]) != info.bytes:
            raise IntegrityError(
                f"{path}: expected {info.bytes:,} bytes, found {len(files[info.file]):,}; get the bundle again"
            )
    graphs = tuple(graph for graph in manifest.graphs if graph.file not in absent)
    for name in {graph.file: None for graph in graphs}:
        check_plain_graph(files[name], str(folder.path / name))
    return Bundle(folder.path, dataclasses.replace(manifest, graphs=graphs), files, text, digest, absent)


def bundle_names(manifest: Manifest) -> list[str]:
    """Return the names of all files that a manifest lists, and its own."""
    return [MANIFEST_NAME, *(info.file for info in _listed(manifest))]


def _listed(manifest: Manifest) -> list[GraphInfo | FileInfo | DerivedFile]:
    return [*manifest.graphs, manifest.golden, *(manifest.files or ())]


def _is_required(info: GraphInfo | FileInfo | DerivedFile) -> bool:
    """Return whether a bundle is unusable without a file. Without its prior, samples would come from another one."""
    if not isinstance(info, GraphInfo):
        return False
    return info.role in ("prior", "prior_density") or (
        (info.role, info.target, info.precision) == ("decoder", "portable", "float32")
    )

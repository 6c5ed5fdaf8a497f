"""Reading a bundle: the manifest, then every file that it names, checked before anything is opened."""

import dataclasses
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ._control_flow import refuse_control_flow
from ._errors import BundleError, IntegrityError
from ._external_data import refuse_external_data
from ._layout import Layout, Owns, owns_names
from ._manifest import MANIFEST_NAME, GoldenInfo, GraphInfo, Manifest, parse_manifest
from ._no_bundle import refuse_no_bundle

_MANIFEST_LIMIT = 16 << 20  # bytes; a manifest takes some kilobytes
_FILE_LIMIT = (2 << 30) - 1  # bytes; protobuf messages, and so ONNX files, have no more


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle whose files are what its manifest says.

    Attributes:
        path: its folder.
        manifest: what it says of itself.
        files: the bytes of every file that the manifest names; these are what was hashed, and what is opened.
        text: the manifest's own bytes.
        sha256: of these; it holds the hashes of the files, and so names the bundle.
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]
    text: bytes
    sha256: str


def _owns(folder: Path) -> Owns:
    manifest = parse_manifest(_read(folder / MANIFEST_NAME, None), str(folder / MANIFEST_NAME))
    return owns_names([MANIFEST_NAME, manifest.golden.file, *(graph.file for graph in manifest.graphs)])


BUNDLE_LAYOUT = Layout("a bundle", _owns)


def packaged_bundle() -> Path:
    """The folder of the bundle that comes with the package: MNIST, trained by this project."""
    return Path(__file__).parent / "bundles" / "mnist"


def read_bundle(path: str | Path | None = None, sha256: str | None = None) -> Bundle:
    """Read and check a bundle.

    Args:
        path: its folder; the packaged MNIST bundle if not given.
        sha256: that its manifest must have, and so the whole of it; see `Bundle`.

    Raises:
        BundleError: no bundle lies there, its manifest is wrong or of another format version, or a graph is not
            self-contained and plain.
        IntegrityError: a file is missing, is a link, or has another size or hash than the manifest says, or the manifest
            than was asked for.
    """
    folder = packaged_bundle() if path is None else Path(path)
    refuse_no_bundle(folder)
    source = folder / MANIFEST_NAME
    text = _read(source, None)
    digest = hashlib.sha256(text).hexdigest()
    if sha256 not in (None, digest):
        raise IntegrityError(
            f"{source}: expected SHA-256 {sha256}, found {digest}; this is another bundle: put the expected one there"
        )
    manifest = parse_manifest(text, str(source))
    files: dict[str, bytes] = {}
    described: list[GraphInfo | GoldenInfo] = [*manifest.graphs, manifest.golden]
    for info in described:
        data = _read(folder / info.file, info.bytes)
        if (found := hashlib.sha256(data).hexdigest()) != info.sha256:
            raise IntegrityError(
                f"{folder / info.file}: expected SHA-256 {info.sha256}, found {found}; the file was changed or damaged: "
                f"get the bundle again"
            )
        files[info.file] = data
    for graph in manifest.graphs:
        refuse_external_data(files[graph.file], str(folder / graph.file))
        refuse_control_flow(files[graph.file], str(folder / graph.file))
    return Bundle(folder, manifest, files, text, digest)


def _read(path: Path, size: int | None) -> bytes:
    """Read a regular file of ``size`` bytes, following no link; of any size up to a limit where it is None."""
    try:
        # Not blocking: a pipe in the file's place would otherwise wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        kind = IntegrityError if size is not None else BundleError
        what = "is a link, which a bundle must not hold" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise kind(f"{path}: {what}; get the bundle again") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):  # a folder cannot even be wrapped as a file
        os.close(descriptor)
        raise IntegrityError(f"{path}: expected a regular file; get the bundle again")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > (limit := _MANIFEST_LIMIT if size is None else _FILE_LIMIT):
            raise BundleError(f"{path}: expected at most {limit:,} bytes, found {status.st_size:,}")
        if size is not None and status.st_size != size:
            raise IntegrityError(f"{path}: expected {size:,} bytes, found {status.st_size:,}; get the bundle again")
        return file.read(status.st_size)

"""Error messages for a path that is not a bundle: what was found, and the command that makes a bundle of it."""

import tarfile
import zipfile
from pathlib import Path

from .._errors import BundleError
from .._system import shell_quote
from .manifest import MANIFEST_NAME

_RUN_FILES = ("checkpoint.npz", "history.csv", "weights.npz")


def check_bundle_path(path: Path) -> None:
    """Raise `BundleError` unless ``path`` may be a bundle: a folder with a manifest, or a folder of unknown kind."""
    if (path / MANIFEST_NAME).is_file():
        return
    if (known := _known_folder(path) if path.is_dir() else _known_file(path)) is not None:
        found, remedy = known
        raise BundleError(f"{path}: expected a bundle, a folder with {MANIFEST_NAME}, found {found}; {remedy}")


def _known_folder(path: Path) -> tuple[str, str] | None:
    if (path / "config.json").is_file() and any((path / name).is_file() for name in _RUN_FILES):
        bundle = path.with_name(f"{path.name}-bundle") if path.name else Path("my-model")
        if not (path / "weights.npz").is_file():
            return "a run of cvae-train that was stopped", f"cvae-evaluate {shell_quote(path)} says how to resume it"
        return "a run of cvae-train", f"export it first: cvae-export {shell_quote(path)} --onnx {shell_quote(bundle)}"
    inside = sorted(found.parent for found in path.glob(f"*/{MANIFEST_NAME}"))
    if len(inside) == 1:
        return "a folder with a bundle in it", f"pass the bundle: {shell_quote(inside[0])}"
    if (path / "saved_model.pb").is_file():
        return _model("a SavedModel")
    return None  # reading the manifest raises


def _known_file(path: Path) -> tuple[str, str]:
    if not path.exists():
        return "a broken link" if path.is_symlink() else "nothing", "cvae-export makes one"
    if (path.parent / MANIFEST_NAME).is_file():
        return "a file of a bundle", f"pass its folder: {shell_quote(path.parent)}"
    if path.suffix == ".onnx":
        return "a single graph", f"cvae-inspect {shell_quote(path)} describes it; cvae-export makes bundles"
    if path.suffix == ".keras":
        return _model("a Keras model")
    # The user unpacks an archive, because it may be a decompression bomb.
    if path.is_file() and zipfile.is_zipfile(path):
        return (
            "a zip file",
            f"unpack it first: python -m zipfile -e {shell_quote(path)} {shell_quote(path.with_suffix(''))}",
        )
    if path.is_file() and tarfile.is_tarfile(path):
        folder = path.with_name(path.name.split(".")[0] or "my-model")
        return "a tar file", f"unpack it first: python -m tarfile -e {shell_quote(path)} {shell_quote(folder)}"
    return "a file", "cvae-export makes one"


def _model(found: str) -> tuple[str, str]:
    return found, "cvae-export --encoder ENCODER --decoder DECODER --onnx BUNDLE makes a bundle of two"

"""Write a bundle in the layout of another platform."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from .._bundle import MANIFEST_NAME, Bundle, Manifest, parse_manifest
from .._errors import InputError
from .._system import Layout, Owns, new_folder, owns_names, refuse_existing_folder, write_file
from .huggingface import huggingface_files, huggingface_names
from .mlflow import mlflow_files, mlflow_names
from .triton import triton_files, triton_names

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclasses.dataclass(frozen=True)
class _Platform:
    what: str  # name of the folder in errors
    manifest: str  # path of the manifest in the folder
    names: Callable[[Manifest], Iterable[str]]
    files: Callable[[Bundle, str | None], dict[str, bytes]]

    @property
    def layout(self) -> Layout:
        """The files that the folder consists of."""

        def owns(folder: Path) -> Owns:
            path = folder / self.manifest
            return owns_names(self.names(parse_manifest(path.read_bytes(), str(path))))

        return Layout(self.what, owns)


_PLATFORMS = {
    "triton": _Platform(
        "a model repository of Triton", MANIFEST_NAME, triton_names, lambda bundle, _: triton_files(bundle)
    ),
    "mlflow": _Platform(
        "a model of MLflow", f"bundle/{MANIFEST_NAME}", mlflow_names, lambda bundle, _: mlflow_files(bundle)
    ),
    "huggingface": _Platform(
        "a repository of Hugging Face", f"onnx/{MANIFEST_NAME}", huggingface_names, huggingface_files
    ),
}
LAYOUTS = tuple(_PLATFORMS)


def check_layout(layout: str, target: Path, *, license_id: str | None, overwrite: bool) -> None:
    """Check, before any other work, that a layout can be written to ``target``.

    Args:
        layout, license_id, overwrite: as for `write_layout`.
        target: the folder.

    Raises:
        InputError: the licence is no identifier, the layout has no place for one, or the parent folder does not exist.
        TargetExistsError: the target exists and ``overwrite`` is not set, or it holds other files.
    """
    if license_id is not None and layout != "huggingface":
        raise InputError(f"license: expected with the layout huggingface, found it with {layout}; leave it out")
    if license_id is not None and not _LICENSE.fullmatch(license_id):
        raise InputError(f"license: expected an identifier such as apache-2.0, found {license_id!r}; name another")
    refuse_existing_folder(target, _PLATFORMS[layout].layout, overwrite)


def write_layout(
    bundle: Bundle, layout: str, target: Path, *, license_id: str | None = None, overwrite: bool = False
) -> dict[str, int]:
    """Write a bundle in the layout of another platform. The write is atomic.

    Args:
        bundle: the bundle, from `read_bundle`.
        layout: a name of `LAYOUTS`.
        target: the folder to write.
        license_id: Hugging Face's identifier of the model's licence, for the model card.
        overwrite: replace an existing folder of this layout.

    Returns:
        Size of each written file in bytes, by its path in the folder.

    Raises:
        InputError, TargetExistsError: as `check_layout`.
        MissingExtraError: the model card's picture needs ONNX Runtime, which is not installed.
    """
    platform = _PLATFORMS[layout]
    check_layout(layout, target, license_id=license_id, overwrite=overwrite)
    files = platform.files(bundle, license_id)
    with new_folder(target, replaces=platform.layout if overwrite else None) as folder:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, data)
    return {name: len(data) for name, data in files.items()}

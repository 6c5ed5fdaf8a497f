"""Write a bundle, and check what was written."""

from collections.abc import Mapping
from pathlib import Path

from cvae_runtime import ParityError, check_golden, read_bundle
from cvae_runtime.bundle import BUNDLE_LAYOUT, MANIFEST_NAME, Manifest
from cvae_runtime.files import new_folder, write_file


def write_bundle(target: Path, manifest: Manifest, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write the manifest and the other files of a bundle, read them back, and check them against the golden vectors.

    Raises:
        ParityError: they disagree; nothing is written.
    """
    with new_folder(target, replaces=BUNDLE_LAYOUT if overwrite else None) as folder:
        for name, data in files.items():
            write_file(folder / name, data)
        write_file(folder / MANIFEST_NAME, manifest.to_json().encode())
        failed = [result for result in check_golden(read_bundle(folder)) if not result.agrees]
        if failed:
            raise ParityError(f"the bundle disagrees with its own golden vectors: {failed}; nothing was written")

"""Read the manifest of a bundle, format 1 or 2.

``manifest.schema.json`` states what a manifest holds. The checks interpret it, and ``scripts/manifest.py`` derives the
types from it. Unknown keys are ignored, so that later versions can add some.
"""

import json
from pathlib import Path

from .._errors import BundleError
from .._system import parse_json
from .convert import from_json
from .manifest_methods import FORMATS
from .manifest_types import Manifest
from .schema import excerpt, find_error

MANIFEST_NAME = "manifest.json"
"""The name of the manifest in a bundle.

Examples:
    >>> (cvae.packaged_bundle() / bundle.MANIFEST_NAME).is_file()
    True
"""

_SCHEMA = Path(__file__).parents[1] / "manifest.schema.json"


def parse_manifest(text: str | bytes, source: str) -> Manifest:
    """Parse the text of a ``manifest.json``.

    Args:
        text: JSON.
        source: name of the file in error messages.

    Raises:
        BundleError: the text is not JSON, has another format version, or lacks a field or has an invalid one.

    Examples:
        >>> text = (cvae.packaged_bundle() / "manifest.json").read_bytes()
        >>> bundle.parse_manifest(text, "manifest.json").model.image_shape
        (28, 28, 1)
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise BundleError(f"{source}: expected JSON: {error}; export the bundle again") from error
    if not isinstance(value, dict) or "format" not in value:
        raise BundleError(f'{source}: expected an object with "format": {FORMATS[0]}; this is not a bundle\'s manifest')
    if value["format"] not in FORMATS or isinstance(value["format"], bool):
        raise BundleError(
            f"{source}: expected format {' or '.join(map(str, FORMATS))}, found {excerpt(value['format'])}; "
            f"use the version of cvae-toolkit that wrote it, or export the bundle again"
        )
    wrong = find_error(value, json.loads(_SCHEMA.read_text(encoding="utf-8")))
    if wrong is not None:
        raise BundleError(f"{source}: {wrong}; export the bundle again")
    return from_json(Manifest, value)

"""The bundle format: read a bundle, its manifest and its golden vectors, and check it on this machine.

Examples:
    >>> from cvae_runtime import bundle
    >>> manifest = bundle.read_bundle().manifest
    >>> sorted({graph.role for graph in manifest.graphs})
    ['decoder', 'encoder', 'prior', 'prior_density']
    >>> manifest.model.latent_dim
    40
"""

from ._bundle import (
    BUNDLE_LAYOUT,
    MANIFEST_NAME,
    Background,
    Bundle,
    DerivedFile,
    Detector,
    FileInfo,
    Golden,
    GoldenCase,
    GoldenLatents,
    GraphInfo,
    ImageSet,
    Manifest,
    ModelInfo,
    Precision,
    Preprocessing,
    Target,
    TensorInfo,
    Training,
    Verified,
    packaged_bundle,
    parse_golden,
    parse_manifest,
    read_bundle,
)
from ._engine import GoldenResult, check_golden

__all__ = [
    "BUNDLE_LAYOUT",
    "MANIFEST_NAME",
    "Background",
    "Bundle",
    "DerivedFile",
    "Detector",
    "FileInfo",
    "Golden",
    "GoldenCase",
    "GoldenLatents",
    "GoldenResult",
    "GraphInfo",
    "ImageSet",
    "Manifest",
    "ModelInfo",
    "Precision",
    "Preprocessing",
    "Target",
    "TensorInfo",
    "Training",
    "Verified",
    "check_golden",
    "packaged_bundle",
    "parse_golden",
    "parse_manifest",
    "read_bundle",
]

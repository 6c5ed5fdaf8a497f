"""The bundle format: folder, manifest and golden vectors, read and checked before ONNX Runtime opens a graph."""

from .describe_graph import describe_graph
from .golden import Golden, GoldenCase, GoldenLatents, parse_golden
from .manifest import MANIFEST_NAME, parse_manifest
from .manifest_methods import LIKELIHOOD_OUTPUTS
from .manifest_types import (
    Background,
    DerivedFile,
    Detector,
    FileInfo,
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
)
from .read import BUNDLE_LAYOUT, PACKAGED, Bundle, Packaged, bundle_names, packaged_bundle, read_bundle
from .select import choose_graph

__all__ = [
    "BUNDLE_LAYOUT",
    "LIKELIHOOD_OUTPUTS",
    "MANIFEST_NAME",
    "PACKAGED",
    "Background",
    "Bundle",
    "DerivedFile",
    "Detector",
    "FileInfo",
    "Golden",
    "GoldenCase",
    "GoldenLatents",
    "GraphInfo",
    "ImageSet",
    "Manifest",
    "ModelInfo",
    "Packaged",
    "Precision",
    "Preprocessing",
    "Target",
    "TensorInfo",
    "Training",
    "Verified",
    "bundle_names",
    "choose_graph",
    "describe_graph",
    "packaged_bundle",
    "parse_golden",
    "parse_manifest",
    "read_bundle",
]

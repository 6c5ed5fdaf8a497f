"""The bundle format: folder, manifest and golden vectors, read and checked before ONNX Runtime opens a graph."""

from .describe_graph import describe_graph
from .golden import Golden, GoldenCase, GoldenLatents, parse_golden
from .manifest import (
    DECODER_OUTPUTS,
    MANIFEST_NAME,
    GoldenInfo,
    GraphInfo,
    Manifest,
    ModelInfo,
    Precision,
    Preprocessing,
    Target,
    TensorInfo,
    Training,
    Verified,
    parse_manifest,
)
from .read import BUNDLE_LAYOUT, Bundle, packaged_bundle, read_bundle
from .select import choose_graph

__all__ = [
    "BUNDLE_LAYOUT",
    "DECODER_OUTPUTS",
    "MANIFEST_NAME",
    "Bundle",
    "Golden",
    "GoldenCase",
    "GoldenInfo",
    "GoldenLatents",
    "GraphInfo",
    "Manifest",
    "ModelInfo",
    "Precision",
    "Preprocessing",
    "Target",
    "TensorInfo",
    "Training",
    "Verified",
    "choose_graph",
    "describe_graph",
    "packaged_bundle",
    "parse_golden",
    "parse_manifest",
    "read_bundle",
]

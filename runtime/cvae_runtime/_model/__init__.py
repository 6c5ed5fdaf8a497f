"""The API: `load` opens a bundle as a `Model`, which generates, encodes, scores, detects and explores."""

from .detection import Detection
from .labels import Label, class_names, index_of
from .model import TRAVERSED, Model, check_detector, load
from .samples import Dtype, check_samples

__all__ = [
    "TRAVERSED",
    "Detection",
    "Dtype",
    "Label",
    "Model",
    "check_detector",
    "check_samples",
    "class_names",
    "index_of",
    "load",
]

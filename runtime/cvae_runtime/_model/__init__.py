"""The API: `load` opens a bundle as a `Model`, which generates, encodes, decodes, reconstructs, scores and explores."""

from .labels import Label, class_names, index_of
from .model import TRAVERSED, Model, load
from .samples import Dtype, check_samples

__all__ = ["TRAVERSED", "Dtype", "Label", "Model", "check_samples", "class_names", "index_of", "load"]

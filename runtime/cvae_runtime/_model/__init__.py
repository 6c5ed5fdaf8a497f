"""The API: `load` opens a bundle as a `Model`, which generates, encodes, decodes, reconstructs, scores and explores."""

from .model import TRAVERSED, Model, load
from .samples import Dtype, check_samples

__all__ = ["TRAVERSED", "Dtype", "Model", "check_samples", "load"]

"""Data sets: sources of images, reading and splitting them, and storage of the pixels."""

from .binarize import Tag, draw_binary, is_binary
from .dataset import Dataset, fingerprint_of, load_data, load_test
from .holdout import held_out, held_out_count
from .labels import Labels
from .look import DataLook, look_at, look_at_dataset
from .mutation import mutate
from .options import AS_THEY_ARE, DataOptions
from .sources import EMBEDDED, ImageSource
from .splits import few
from .summary import describe_images
from .symmetry import LEAST_IMAGES

__all__ = [
    "AS_THEY_ARE",
    "EMBEDDED",
    "LEAST_IMAGES",
    "DataLook",
    "DataOptions",
    "Dataset",
    "ImageSource",
    "Labels",
    "Tag",
    "describe_images",
    "draw_binary",
    "few",
    "fingerprint_of",
    "held_out",
    "held_out_count",
    "is_binary",
    "load_data",
    "load_test",
    "look_at",
    "look_at_dataset",
    "mutate",
]

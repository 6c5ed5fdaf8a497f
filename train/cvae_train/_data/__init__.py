"""Data sets: what DATA may be, how its images are read and divided, and where their pixels live."""

from .dataset import Dataset, fingerprint_of, load_data, load_test
from .holdout import held_out
from .options import AS_THEY_ARE, DataOptions
from .sources import EMBEDDED
from .summary import describe_images

__all__ = [
    "AS_THEY_ARE",
    "EMBEDDED",
    "DataOptions",
    "Dataset",
    "describe_images",
    "fingerprint_of",
    "held_out",
    "load_data",
    "load_test",
]

"""The metrics of a run: its ELBO and likelihood, simple models to compare with, and what to try next."""

from .advice import next_steps
from .baselines import Baselines
from .classes import LISTED, shortened
from .embedding import embed
from .evaluation import Evaluation, evaluate
from .judge import SampleQuality, judge
from .likeness import mean_likeness

__all__ = [
    "LISTED",
    "Baselines",
    "Evaluation",
    "SampleQuality",
    "embed",
    "evaluate",
    "judge",
    "mean_likeness",
    "next_steps",
    "shortened",
]

"""The metrics of a run: its ELBO and likelihood, simple models to compare with, and what to try next."""

from .advice import next_steps
from .baselines import Baselines
from .evaluation import Evaluation, evaluate

__all__ = ["Baselines", "Evaluation", "evaluate", "next_steps"]

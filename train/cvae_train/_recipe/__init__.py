"""Recipes derived from the images and from a time, as plans with reasons."""

from .derive import MODEL_SETTINGS, derive
from .fit import fit_to_minutes, more_epochs, too_slow, with_smaller_network, with_working_warmup
from .plan import Decision, Speed, TrainingPlan, check_minutes, describe_time

__all__ = [
    "MODEL_SETTINGS",
    "Decision",
    "Speed",
    "TrainingPlan",
    "check_minutes",
    "derive",
    "describe_time",
    "fit_to_minutes",
    "more_epochs",
    "too_slow",
    "with_smaller_network",
    "with_working_warmup",
]

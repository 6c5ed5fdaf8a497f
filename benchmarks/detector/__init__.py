"""Detect outliers of sets that no setting has seen: AUROC of each score, and the rate of false alarms."""

from ._question import IN_ALL, OPTIONS, OWN_TABLE, add_options, run

__all__ = ["IN_ALL", "OPTIONS", "OWN_TABLE", "add_options", "run"]

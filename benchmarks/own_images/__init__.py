"""Train on image sets with no option but the data and the minutes, and compare with other networks."""

from ._question import IN_ALL, OPTIONS, add_options, run

__all__ = ["IN_ALL", "OPTIONS", "add_options", "run"]

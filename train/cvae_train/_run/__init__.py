"""The run folder: configuration, compute plan, history, images, and callbacks."""

from .callbacks import Callback
from .check_run import check_finished
from .drawing import draw
from .folder import DataInfo, RunFolder, write_json
from .history import (
    COLLAPSE_REMEDY,
    COLUMNS,
    EpochRecord,
    history_of,
    history_table,
    kept_epoch,
    read_history,
    stops_early,
    write_history,
)
from .plan import Plan
from .plots import SAMPLES, draw_elbo_curve, gif_epochs, sample_picture, write_elbo_curve, write_gif
from .provenance import describe_environment
from .result import RunResult

__all__ = [
    "COLLAPSE_REMEDY",
    "COLUMNS",
    "SAMPLES",
    "Callback",
    "DataInfo",
    "EpochRecord",
    "Plan",
    "RunFolder",
    "RunResult",
    "check_finished",
    "describe_environment",
    "draw",
    "draw_elbo_curve",
    "gif_epochs",
    "history_of",
    "history_table",
    "kept_epoch",
    "read_history",
    "sample_picture",
    "stops_early",
    "write_elbo_curve",
    "write_gif",
    "write_history",
    "write_json",
]

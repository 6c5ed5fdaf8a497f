"""The run folder: configuration, compute plan, history, images, and callbacks."""

from .callbacks import Callback
from .check_run import resume_advice
from .course import Checkpoint, Course, Part, Start
from .drawing import draw
from .folder import EPOCHS, DataInfo, RunFolder, draw_test, draw_train, read_data_options, write_json
from .history import (
    COLLAPSE_REMEDY,
    COLUMNS,
    EpochRecord,
    history_of,
    history_table,
    read_history,
    write_history,
)
from .next_commands import evaluate_command, export_command, resume_command
from .plan import Plan
from .plots import SAMPLES, draw_elbo_curve, gif_epochs, sample_picture, write_elbo_curve, write_gif
from .provenance import describe_environment
from .result import RunResult

__all__ = [
    "COLLAPSE_REMEDY",
    "COLUMNS",
    "EPOCHS",
    "SAMPLES",
    "Callback",
    "Checkpoint",
    "Course",
    "DataInfo",
    "EpochRecord",
    "Part",
    "Plan",
    "RunFolder",
    "RunResult",
    "Start",
    "describe_environment",
    "draw",
    "draw_elbo_curve",
    "draw_test",
    "draw_train",
    "evaluate_command",
    "export_command",
    "gif_epochs",
    "history_of",
    "history_table",
    "read_data_options",
    "read_history",
    "resume_advice",
    "resume_command",
    "sample_picture",
    "write_elbo_curve",
    "write_gif",
    "write_history",
    "write_json",
]

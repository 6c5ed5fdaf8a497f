"""Command lines that resume, evaluate and export a run, as lists of words that work from the current folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from cvae_runtime.bundle import MANIFEST_NAME

from .._data import EMBEDDED
from .course import Checkpoint

if TYPE_CHECKING:
    from .folder import RunFolder


def resume_command(folder: "RunFolder") -> list[str] | None:
    """Return the command that resumes a run; None if it was trained on arrays in memory.

    In it, ``--config`` repeats the recipe, and the other options repeat the way that images are read.
    """
    _, data = folder.read_config()
    if data.source == "memory":
        return None
    options = data.options
    line = ["cvae-train", *([] if data.source == EMBEDDED else [data.source])]
    line += ["--run", str(folder.path), "--config", str(folder.config), "--resume"]
    if options.image_size is not None:
        height, width = options.image_size
        line += ["--image-size", f"{width}x{height}"]
    if options.channels is not None:
        line += ["--channels", str(options.channels)]
    if options.test_fraction is not None:
        line += ["--test-fraction", repr(options.test_fraction)]
    line += ["--skip-bad"] if options.skip_bad else []
    return [*line, *(["--tensorboard"] if (folder.path / "tensorboard").is_dir() else [])]


def evaluate_command(folder: "RunFolder") -> list[str]:
    """Return the command that evaluates a run, again if it was evaluated."""
    exists = folder.evaluation.exists() or folder.evaluation_picture.exists()
    return ["cvae-evaluate", str(folder.path), *(["--overwrite"] if exists else [])]


def export_command(
    folder: "RunFolder", *, data: str | Path | None = None, checkpoint: Checkpoint | None = None
) -> list[str]:
    """Return the command that exports a run, again if its bundle exists.

    Args:
        folder: the run.
        data: where its images are; None: where they were.
        checkpoint: which weights to export; None: the default.
    """
    path = folder.path if folder.path.name not in ("", "..") else folder.path.resolve()
    bundle = path.with_name(f"{path.name}-bundle")
    line = ["cvae-export", str(folder.path), "--onnx", str(bundle)]
    line += [] if data is None else ["--data", str(data)]
    line += [] if checkpoint is None else ["--checkpoint", checkpoint]
    return [*line, *(["--overwrite"] if (bundle / MANIFEST_NAME).is_file() else [])]

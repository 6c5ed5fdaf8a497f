"""Messages about a path that is not a run, or is a run that was stopped."""

from pathlib import Path
from typing import TYPE_CHECKING

from cvae_runtime.bundle import MANIFEST_NAME
from cvae_runtime.system import shell_quote

from .._data import EMBEDDED

if TYPE_CHECKING:
    from .folder import DataInfo, RunFolder


def not_a_run_message(path: Path, error: Exception) -> str:
    """Return the error message for a folder whose ``config.json`` raised ``error``."""
    what = f"{path}: expected a run folder, found"
    if (path / MANIFEST_NAME).is_file():
        return f"{what} a bundle; name its run, or check the bundle with cvae-verify {shell_quote(path)}"
    if (path / "config.json").exists():
        return f"{what} a config.json that cannot be read: {error}; name another folder"
    found = "nothing" if not path.exists() else "a folder without config.json" if path.is_dir() else "a file"
    return f"{what} {found}; cvae-train --run DIR makes one"


def resume_advice(folder: "RunFolder") -> str:
    """Return the advice that resumes a run.

    It has a command line, in which ``--config`` repeats the recipe and the other options the way that images are read.
    """
    _, data = folder.read_config()
    if data.source == "memory":
        return f"resume it with cvae_train.train with the same arrays and recipe, run={str(folder.path)!r}, resume=True"
    return f"resume it with: {' '.join(map(shell_quote, _resume_command(folder, data)))}"


def _resume_command(folder: "RunFolder", data: "DataInfo") -> list[str]:
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
    return [*line, *(["--skip-bad"] if options.skip_bad else [])]

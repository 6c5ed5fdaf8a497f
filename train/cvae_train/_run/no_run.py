"""What lies where a finished run was expected, and the line that helps."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from cvae_runtime import InputError
from cvae_runtime.bundle import MANIFEST_NAME

from .._data import EMBEDDED

if TYPE_CHECKING:
    from .folder import DataInfo, RunFolder


def no_run(path: Path, error: Exception) -> str:
    """What is wrong with a folder whose ``config.json`` could not be read because of ``error``."""
    what = f"{path}: expected a run folder, found"
    if (path / MANIFEST_NAME).is_file():
        return (
            f"{what} a bundle; name the run that it was exported from. cvae-verify {shlex.quote(str(path))} checks it"
        )
    if (path / "config.json").exists():
        return f"{what} a config.json that cannot be read: {error}; name another folder"
    found = "nothing" if not path.exists() else "a folder without config.json" if path.is_dir() else "a file"
    return f"{what} {found}; cvae-train --run DIR makes one"


def refuse_unfinished(folder: "RunFolder") -> None:
    """Raise `InputError` unless a run has come to its end.

    The message has the command that goes on with it: ``--config`` repeats the recipe, and the rest says how images
    were read.
    """
    if folder.finished:
        return
    _, data = folder.read_config()
    unfinished = f"{folder.path}: expected a finished run, found one that was stopped; go on with it by"
    if data.source == "memory":
        raise InputError(
            f"{unfinished} cvae_train.train with the same arrays and recipe, run={str(folder.path)!r}, resume=True"
        )
    raise InputError(f"{unfinished}: {shlex.join(_resuming(folder, data))}")


def _resuming(folder: "RunFolder", data: "DataInfo") -> list[str]:
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

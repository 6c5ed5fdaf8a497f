"""Messages about a path that is not a run, or is a run that was stopped."""

from pathlib import Path
from typing import TYPE_CHECKING

from cvae_runtime.bundle import MANIFEST_NAME
from cvae_runtime.system import shell_quote

from .next_commands import resume_command

if TYPE_CHECKING:
    from .folder import RunFolder


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
    """Return the advice that resumes a run, with the command line or the call in Python."""
    command = resume_command(folder)
    if command is None:
        return f"resume it with cvae_train.train with the same arrays and recipe, run={str(folder.path)!r}, resume=True"
    return f"resume it with: {' '.join(map(shell_quote, command))}"

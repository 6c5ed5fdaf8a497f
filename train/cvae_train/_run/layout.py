"""Files that a run folder may hold; a folder with any other file is not overwritten."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from cvae_runtime.files import Layout

_FILES = re.compile(
    r"(config|environment|evaluation)\.json|history\.csv|(checkpoint|best|weights)\.npz|cvae\.gif|(elbo|evaluation)\.png"
    r"|samples/(image_at_epoch_[0-9]{4,}\.png)?"
    r"|tensorboard/(events\.out\.tfevents\.[^/]+|latents\.tsv|sprite\.png|projector_config\.pbtxt)?"
)


def is_file_of_run(path: str) -> bool:
    """Whether this project writes a path of a run folder; paths of folders end in a slash."""
    return _FILES.fullmatch(path) is not None


def _owns(folder: Path) -> Callable[[str], bool]:
    """Return the check for owned files; raise if ``config.json`` is not that of a run, of any version."""
    fields = json.loads((folder / "config.json").read_text())
    for keys in (("format",), ("config", "model", "image_shape"), ("data", "fingerprint")):
        value = fields
        for key in keys:
            value = value[key]
    return is_file_of_run


RUN_LAYOUT = Layout("a run folder", _owns)

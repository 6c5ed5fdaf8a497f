"""ONNX Runtime's official builds report their use to their maker; in a process of ours they do not.

They keep events in a file below the home folder and send them over HTTPS, from threads that Python does not see (the
Privacy.md beside the installed package says so). They look at a variable once, when they are first imported.
"""

import os
import sys


def silence() -> None:
    """Set ``ORT_DISABLE_TELEMETRY=1`` unless it has a value, for this process and those that it starts.

    Where ONNX Runtime was imported before, it can only be told to report no more.
    """
    if "ORT_DISABLE_TELEMETRY" in os.environ:
        return
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if (onnxruntime := sys.modules.get("onnxruntime")) is not None:
        onnxruntime.disable_telemetry_events()

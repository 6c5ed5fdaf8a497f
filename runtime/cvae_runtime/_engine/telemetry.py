"""Disable the telemetry of ONNX Runtime.

Official builds of ONNX Runtime store events in a file below the home folder and send them to Microsoft over HTTPS,
from threads that Python does not see (see Privacy.md in the installed package). They read the environment variable
once, at the first import.
"""

import os
import sys


def disable_telemetry() -> None:
    """Set ``ORT_DISABLE_TELEMETRY=1``, for this process and its children, unless the variable has a value.

    If ONNX Runtime was imported before, this stops later events only.
    """
    if "ORT_DISABLE_TELEMETRY" in os.environ:
        return
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if (onnxruntime := sys.modules.get("onnxruntime")) is not None:
        onnxruntime.disable_telemetry_events()

"""Peers of cvae_runtime, a module each: the packaged model's weights in another framework, as a careful user has them.

A peer is a function ``(folder)`` that gives a function from a task and a batch size to the work on one batch. Inputs are
in the framework's own form before the clock runs; what is timed ends with NumPy arrays. Threads are left as they come.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parents[2] / "assets" / "mnist"

# What is timed, and the graph that does it: latents to probabilities, uint8 images to mean and logvar, or through the
# mean to probabilities.
ROLES: Mapping[str, str] = {"decoding": "decoder", "encoding": "encoder", "reconstruction": "reconstructor"}


def inputs(task: str, folder: str, batch: int) -> np.ndarray:
    """A task's input: latents float32 (batch, L), or images uint8 (batch, H, W, C); some repeat in large batches."""
    return np.resize(some := np.load(Path(folder) / f"{task}.npy"), (batch, *some.shape[1:]))


def plain_graph(task: str, folder: str) -> Path:
    """The ONNX file that does a task, as tf2onnx makes it."""
    return Path(folder) / f"{ROLES[task]}.onnx"


def lite_model(task: str, folder: str, batch: int) -> Path:
    """The LiteRT file that does a task for one batch size."""
    return Path(folder) / f"{ROLES[task]}-{batch}.tflite"

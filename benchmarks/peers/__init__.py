"""Peers of cvae_runtime, one module each: the notebook's network in another framework, as careful users write it.

A peer is a function ``(folder)``. It returns a function that takes a task and a batch size and returns a call on one
batch. Inputs are converted before the clock starts; calls return NumPy arrays. Frameworks use their default threads.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

# Task -> its graph: latents to probabilities, uint8 images to mean and logvar, uint8 images to probabilities.
ROLES: Mapping[str, str] = {"decoding": "decoder", "encoding": "encoder", "reconstruction": "reconstructor"}


def inputs(task: str, folder: str, batch: int) -> np.ndarray:
    """A task's input: latents float32 (batch, L), or images uint8 (batch, H, W, C); large batches repeat them."""
    return np.resize(some := np.load(Path(folder) / f"{task}.npy"), (batch, *some.shape[1:]))


def plain_graph(task: str, folder: str) -> Path:
    """The ONNX file of a task, as written by tf2onnx."""
    return Path(folder) / f"{ROLES[task]}.onnx"


def lite_model(task: str, folder: str, batch: int) -> Path:
    """The LiteRT file of a task and a batch size."""
    return Path(folder) / f"{ROLES[task]}-{batch}.tflite"

"""Peers of cvae_runtime, a module each: the weights of the packaged model in another framework, as a careful user writes it.

A peer is a function ``(folder)`` that returns a function from a task and a batch size to a call on one batch. Inputs are
converted before the clock runs; the call returns NumPy arrays. Threads are the framework's default.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).parents[2] / "assets" / "mnist"

# Task -> the graph that does it: latents to probabilities, uint8 images to mean and logvar, uint8 images to probabilities.
ROLES: Mapping[str, str] = {"decoding": "decoder", "encoding": "encoder", "reconstruction": "reconstructor"}


def inputs(task: str, folder: str, batch: int) -> np.ndarray:
    """A task's input: latents float32 (batch, L), or images uint8 (batch, H, W, C); large batches repeat them."""
    return np.resize(some := np.load(Path(folder) / f"{task}.npy"), (batch, *some.shape[1:]))


def plain_graph(task: str, folder: str) -> Path:
    """The ONNX file for a task, as tf2onnx writes it."""
    return Path(folder) / f"{ROLES[task]}.onnx"


def lite_model(task: str, folder: str, batch: int) -> Path:
    """The LiteRT file for a task and a batch size."""
    return Path(folder) / f"{ROLES[task]}-{batch}.tflite"

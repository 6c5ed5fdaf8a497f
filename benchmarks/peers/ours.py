"""cvae_runtime, as ``load()`` gives it."""

import numpy as np

import cvae_runtime
from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs


def _peer(precision: cvae_runtime.Precision, task: str, folder: str) -> Factory:
    model = cvae_runtime.load(provider="cpu", precision=precision)

    def encode(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        posterior = model.encode(images)
        return posterior.mean, posterior.logvar

    call = {"decoding": model.decode, "encoding": encode, "reconstruction": model.reconstruct}[task]

    def at(batch: int) -> Work:
        x = inputs(task, folder, batch)
        return lambda: call(x)

    return at


def float32(task: str, folder: str) -> Factory:
    """In float32, a thread a core."""
    return _peer("float32", task, folder)


def int8(task: str, folder: str) -> Factory:
    """With the decoder in 8 bits, a thread a core."""
    return _peer("int8", task, folder)

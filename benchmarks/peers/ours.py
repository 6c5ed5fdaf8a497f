"""cvae_runtime with the defaults of ``load()``."""

import numpy as np

import cvae_runtime
import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE
from benchmarks._worker import Factory, UnavailableError, Work
from benchmarks.peers import inputs


def _peer(precision: cvae_runtime.bundle.Precision, folder: str, provider: str = "cpu") -> Factory:
    try:
        model = cvae_runtime.load(BUNDLE, provider=provider, precision=precision)
    except cvae_runtime.ProviderError as error:
        raise UnavailableError(str(error)) from None

    def encode(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        posterior = model.encode(images)
        return posterior.mean, posterior.logvar

    calls = {"decoding": model.decode, "encoding": encode, "reconstruction": model.reconstruct}

    def at(task: str, batch: int) -> Work:
        call, x = calls[task], inputs(task, folder, batch)
        return lambda: call(x)

    return at


def float32(folder: str) -> Factory:
    """In float32, with one thread per core."""
    return _peer("float32", folder)


def int8(folder: str) -> Factory:
    """With the decoder in int8, with one thread per core."""
    return _peer("int8", folder)


def cuda(folder: str) -> Factory:
    """In float32 on a GPU."""
    return _peer("float32", folder, "cuda")

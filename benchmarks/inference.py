"""How fast are images decoded? TensorFlow, onnxruntime as it comes, and cvae_runtime, with the same weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import cvae_runtime

from ._harness import Contender, Log, Result, compare, table
from ._worker import Factory

QUESTION = "decoding, images a second"
OURS = "cvae_runtime"
BATCHES = (1, 16, 256)
ATOL = 1e-4

ASSETS = Path(__file__).parents[1] / "assets" / "mnist"

CONTENDERS = (
    Contender("TensorFlow tf.function", "benchmarks.inference:tensorflow_function"),
    Contender("onnxruntime, default session", "benchmarks.inference:onnxruntime_default"),
    Contender(OURS, "benchmarks.inference:runtime"),
)


def latents(batch: int) -> np.ndarray:
    """What every contender decodes: float32 (batch, L)."""
    return cvae_runtime.prior_latents(0, 0, batch, cvae_runtime.read_bundle().manifest.model.latent_dim)


def tensorflow_function() -> Factory:
    """The trained Keras model in a ``tf.function`` with a fixed signature, as a careful user of TensorFlow has it."""
    import tensorflow as tf

    import cvae_train

    model = cvae_train.load_run(ASSETS).model
    signature = [tf.TensorSpec([None, model.config.latent_dim], tf.float32)]
    decode = tf.function(lambda z: model.decode(z, apply_sigmoid=True), input_signature=signature)

    def at(batch: int) -> Callable[[], np.ndarray]:
        z = tf.constant(latents(batch))
        return lambda: decode(z).numpy()

    return at


def onnxruntime_default() -> Factory:
    """The bundle's portable decoder in a session as ``InferenceSession(path)`` gives it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        cvae_runtime.packaged_bundle() / "decoder.onnx", providers=["CPUExecutionProvider"]
    )

    def at(batch: int) -> Callable[[], np.ndarray]:
        z = latents(batch)
        return lambda: session.run(["probs"], {"z": z})[0]

    return at


def runtime() -> Factory:
    """This project's runtime, as ``load()`` gives it."""
    model = cvae_runtime.load(provider="cpu")

    def at(batch: int) -> Callable[[], np.ndarray]:
        z = latents(batch)
        return lambda: model.decode(z)

    return at


def _reference(batch: int) -> np.ndarray:
    with cvae_runtime.load(provider="cpu", threads=1) as model:
        return np.concatenate([model.decode(z[np.newaxis]) for z in latents(batch)])


def run(*, quick: bool, log: Log) -> tuple[Result, str]:
    """Measure, and lay the result out as a table."""
    rounds, seconds = (5, 0.4) if quick else (9, 2.0)
    result = compare(CONTENDERS, _reference, BATCHES, rounds=rounds, seconds=seconds, atol=ATOL, log=log)
    return result, table(result, BATCHES, OURS)

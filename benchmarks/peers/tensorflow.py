"""TensorFlow: the trained Keras model, with TensorFlow's own threads, one per core."""

from collections.abc import Callable

import keras
import tensorflow as tf

import cvae_train
from benchmarks._notebook import RUN
from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs

Call = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]


def _calls() -> dict[str, Call]:
    run = cvae_train.load_run(RUN)
    model, binarize_at = run.model, run.config.binarize_at

    def encode(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return model.encode(cvae_train.preprocess(images, binarize_at))

    def decode(z: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (model.decode(z, apply_sigmoid=True),)

    return {"decoding": decode, "encoding": encode, "reconstruction": lambda images: decode(encode(images)[0])}


def _compiled(folder: str, *, jit_compile: bool) -> Factory:
    calls = _calls()

    def at(task: str, batch: int) -> Work:
        x = tf.constant(inputs(task, folder, batch))
        # A concrete function is faster than one for any batch size, and checks its arguments only once.
        function = tf.function(calls[task], jit_compile=jit_compile).get_concrete_function(x)
        return lambda: [output.numpy() for output in function(x)]

    return at


def eager(folder: str) -> Factory:
    """Operator by operator, as in a notebook."""
    calls = _calls()

    def at(task: str, batch: int) -> Work:
        call, x = calls[task], tf.constant(inputs(task, folder, batch))
        return lambda: [output.numpy() for output in call(x)]

    return at


def function(folder: str) -> Factory:
    """In a ``tf.function``."""
    return _compiled(folder, jit_compile=False)


def xla(folder: str) -> Factory:
    """Compiled by XLA."""
    return _compiled(folder, jit_compile=True)


def predict(folder: str) -> Factory:
    """``keras.Model.predict`` on arrays, the whole batch in one step."""
    calls = _calls()
    models: dict[str, keras.Model] = {}

    def at(task: str, batch: int) -> Work:
        x = inputs(task, folder, batch)
        model = models.setdefault(task, _Predictor(calls[task]))
        return lambda: list(model.predict(x, batch_size=batch, verbose=0))

    return at


class _Predictor(keras.Model):
    def __init__(self, compute: Call) -> None:
        super().__init__(name="predictor")
        self._compute = compute

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return self._compute(x)

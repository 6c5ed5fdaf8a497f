"""TensorFlow: the trained Keras model in a ``tf.function``, on TensorFlow's own threads, one a core."""

import tensorflow as tf

import cvae_train
from benchmarks._worker import Factory, Work
from benchmarks.peers import ASSETS, inputs


def _peer(task: str, folder: str, *, jit_compile: bool) -> Factory:
    run = cvae_train.load_run(ASSETS)
    model, binarize_at = run.model, run.config.binarize_at

    def encode(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return model.encode(cvae_train.preprocess(images, binarize_at))

    def decode(z: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (model.decode(z, apply_sigmoid=True),)

    call = {"decoding": decode, "encoding": encode, "reconstruction": lambda images: decode(encode(images)[0])}[task]

    def at(batch: int) -> Work:
        x = tf.constant(inputs(task, folder, batch))
        # A function of one shape: faster than one of any batch, and the checks of its arguments are done once.
        function = tf.function(call, jit_compile=jit_compile).get_concrete_function(x)
        return lambda: [output.numpy() for output in function(x)]

    return at


def function(task: str, folder: str) -> Factory:
    """As a graph."""
    return _peer(task, folder, jit_compile=False)


def xla(task: str, folder: str) -> Factory:
    """Compiled by XLA."""
    return _peer(task, folder, jit_compile=True)

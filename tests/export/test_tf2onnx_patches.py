import logging

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

from cvae_export._convert import convert, finish
from cvae_export.passes import PORTABLE

SHAPE = (4, 5, 2)


def check(call):
    """A function of images of SHAPE against its graph."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, name="z")])
    def function(z):
        return {"probs": call(z)}

    z = np.random.default_rng(0).standard_normal((2, *SHAPE)).astype(np.float32)
    graph, _ = finish(convert(function, 15), PORTABLE, ("probs",), {"cvae.role": "decoder"})
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["probs"], {"z": z})[0], call(z), atol=2e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 2), 4), ((1, 5), 2), ((2, 1), (2, 3)), ((4, 3), 3)])
def test_transposed_convolutions_of_any_kernel_and_stride(kernel, stride, padding):
    initializer = keras.initializers.GlorotUniform(seed=1)
    check(layers.Conv2DTranspose(3, kernel, stride, padding, kernel_initializer=initializer))


def test_gelu():
    check(lambda z: tf.nn.gelu(3 * z, approximate=False))


def test_a_variable_that_is_written_warns_of_nothing(caplog):
    counter = tf.Variable(0.0)

    def call(z):
        counter.assign(counter + 1.0)
        return 2 * z

    logger = logging.getLogger("tf2onnx.tf_loader")
    level = logger.level
    check(call)
    assert caplog.messages == []
    assert logger.level == level
